// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAutomataDcap} from "../interfaces/attestation/IAutomataDcap.sol";
import {IAutomataQuoteVerifier} from "../interfaces/attestation/IAutomataQuoteVerifier.sol";
import {IAutomataRouter} from "../interfaces/attestation/IAutomataRouter.sol";

/// @title RecordedAutomata
/// @notice For tests: Automata's DCAP contract, verifier and router in one. Returns what was recorded for a raw quote
/// and an evaluation number, and refuses all others. Has TCB info of every kind, or of none.
contract RecordedAutomata is IAutomataDcap, IAutomataQuoteVerifier, IAutomataRouter {
    /// @notice What verifyAndAttestOnChain returns.
    struct Answer {
        bool success;
        bytes output;
    }

    mapping(bytes32 rawQuote => mapping(uint32 number => Answer answer)) private _answers;
    bool private _isStale;
    bool private _isPaid;

    /// @notice Records the answer for a raw quote and an evaluation number.
    function record(bytes calldata rawQuote, uint32 number, bool success, bytes calldata output) external {
        _answers[keccak256(rawQuote)][number] = Answer({success: success, output: output});
    }

    /// @notice Sets whether all TCB info has expired.
    function setStale(bool isStale) external {
        _isStale = isStale;
    }

    /// @notice Sets whether a fee is charged.
    function setPaid(bool isPaid) external {
        _isPaid = isPaid;
    }

    /// @inheritdoc IAutomataDcap
    function verifyAndAttestOnChain(bytes calldata rawQuote, uint32 tcbEvaluationDataNumber)
        external
        payable
        returns (bool success, bytes memory output)
    {
        if (_isPaid && msg.value == 0) revert Insufficient_Funds();
        Answer storage answer = _answers[keccak256(rawQuote)][tcbEvaluationDataNumber];
        return answer.output.length == 0 ? (false, bytes("ATTVE")) : (answer.success, answer.output);
    }

    /// @inheritdoc IAutomataDcap
    function quoteVerifiers(uint16) external view returns (IAutomataQuoteVerifier) {
        return this;
    }

    /// @inheritdoc IAutomataQuoteVerifier
    function pccsRouter() external view returns (IAutomataRouter) {
        return this;
    }

    /// @inheritdoc IAutomataRouter
    function getStandardTcbEvaluationDataNumber(uint8 id) external view returns (uint32) {
        if (_isStale) revert TcbEvalExpiredOrNotFound(id);
        return 20;
    }

    /// @inheritdoc IAutomataRouter
    function getFmspcTcbContentHash(uint8 id, bytes6 fmspc, uint32 version, uint32) external view returns (bytes32) {
        if (_isStale) revert FmspcTcbExpiredOrNotFound(id, version);
        return keccak256(abi.encode(id, fmspc, version));
    }
}
