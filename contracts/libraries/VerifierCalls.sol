// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, TcbStatus, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title VerifierCalls
/// @notice Calls a quote verifier as `verifier.verifyQuote(quote, pckId, policy)` and
/// `verifier.assessQuote(claims, policy)` would, for a fraction of the gas of encoding and decoding.
/// @dev All structs here consist of one-word members, so they lie in memory as the ABI encodes them. Only the claims in
/// a VerifiedQuote lie behind a pointer, and are encoded in its place. What decoding would check and later code relies
/// on is checked here: the size of the answer and the range of its enum.
library VerifierCalls {
    /// @notice The verifier's answer has the wrong size or an unknown TCB status.
    error VerdictMalformed(uint256 size, uint256 tcbStatus);

    // bytes of the structs QuoteClaims, TcbPolicy, QuoteAssessment and VerifiedQuote, and of the last without claims
    uint256 private constant CLAIMS = 0x100;
    uint256 private constant POLICY = 0x40;
    uint256 private constant ASSESSMENT = 0xe0;
    uint256 private constant VERIFIED = 0x1c0;
    uint256 private constant VERDICT = 0xc0;

    /// @notice Calls {IQuoteVerifier.assessQuote}. Reverts as the verifier reverts.
    function assessQuote(IQuoteVerifier verifier, QuoteClaims calldata claims, TcbPolicy memory policy)
        internal
        view
        returns (QuoteAssessment memory assessment)
    {
        bytes4 selector = IQuoteVerifier.assessQuote.selector;
        uint256 size;
        uint256 status;
        assembly ("memory-safe") {
            // selector ‖ claims ‖ policy
            let copy := mload(0x40)
            mstore(copy, selector)
            calldatacopy(add(copy, 4), claims, CLAIMS)
            mcopy(add(copy, add(4, CLAIMS)), policy, POLICY)
            let success := staticcall(gas(), verifier, copy, add(4, add(CLAIMS, POLICY)), assessment, ASSESSMENT)
            size := returndatasize()
            if iszero(success) {
                returndatacopy(copy, 0, size)
                revert(copy, size)
            }
            status := mload(add(assessment, 0x20))
        }
        if (size != ASSESSMENT || status > uint8(type(TcbStatus).max)) revert VerdictMalformed(size, status);
    }

    /// @notice Calls {IQuoteVerifier.verifyQuote}. Reverts as the verifier reverts.
    function verifyQuote(IQuoteVerifier verifier, bytes calldata quote, bytes32 pckId, TcbPolicy memory policy)
        internal
        returns (VerifiedQuote memory verified)
    {
        bytes4 selector = IQuoteVerifier.verifyQuote.selector;
        uint256 size;
        uint256 status;
        assembly ("memory-safe") {
            // selector ‖ offset of the quote ‖ pckId ‖ policy ‖ length of the quote ‖ quote, padded to whole words
            let copy := mload(0x40)
            mstore(copy, selector)
            mstore(add(copy, 0x04), 0x80)
            mstore(add(copy, 0x24), pckId)
            mcopy(add(copy, 0x44), policy, POLICY)
            mstore(add(copy, 0x84), quote.length)
            calldatacopy(add(copy, 0xa4), quote.offset, quote.length)
            let end := add(add(copy, 0xa4), quote.length)
            mstore(end, 0)
            let length := add(0xa4, and(add(quote.length, 0x1f), not(0x1f)))
            let success := call(gas(), verifier, 0, copy, length, 0, 0)
            size := returndatasize()
            if iszero(success) {
                returndatacopy(copy, 0, size)
                revert(copy, size)
            }
            // an answer of another size is refused below
            if eq(size, VERIFIED) {
                returndatacopy(mload(verified), 0, CLAIMS)
                returndatacopy(add(verified, 0x20), CLAIMS, VERDICT)
            }
            status := mload(add(verified, 0x60))
        }
        if (size != VERIFIED || status > uint8(type(TcbStatus).max)) revert VerdictMalformed(size, status);
    }
}
