// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, TcbStatus} from "../types/VerifiedQuote.sol";

/// @title QuoteAssessments
/// @notice Has a quote assessed: what `verifier.assessQuote(claims, policy)` does, for a fraction of its encoding and
/// decoding.
/// @dev All three structs have one clean word for each member, in memory as in a call.
library QuoteAssessments {
    /// @notice The verifier's answer isn't an assessment.
    error AssessmentMalformed(uint256 size, uint256 tcbStatus);

    uint256 private constant CLAIMS = 0x180;
    uint256 private constant POLICY = 0x40;
    uint256 private constant ASSESSMENT = 0xe0;

    /// @notice The quote's name on chain: keccak256(abi.encode(claims)).
    function hash(QuoteClaims calldata claims) internal pure returns (bytes32 quoteHash) {
        assembly ("memory-safe") {
            let copy := mload(0x40)
            calldatacopy(copy, claims, CLAIMS)
            quoteHash := keccak256(copy, CLAIMS)
        }
    }

    /// @notice The verifier's assessment. Reverts as it reverts.
    function assess(IQuoteVerifier verifier, QuoteClaims calldata claims, TcbPolicy memory policy)
        internal
        view
        returns (QuoteAssessment memory assessment)
    {
        bytes4 selector = IQuoteVerifier.assessQuote.selector;
        uint256 size;
        uint256 status;
        assembly ("memory-safe") {
            let copy := mload(0x40)
            mstore(copy, selector)
            calldatacopy(add(copy, 4), claims, CLAIMS)
            mcopy(add(copy, add(4, CLAIMS)), policy, POLICY)
            let done := staticcall(gas(), verifier, copy, add(4, add(CLAIMS, POLICY)), assessment, ASSESSMENT)
            size := returndatasize()
            if iszero(done) {
                returndatacopy(copy, 0, size)
                revert(copy, size)
            }
            status := mload(add(assessment, 0x20))
        }
        if (size != ASSESSMENT || status > uint8(type(TcbStatus).max)) revert AssessmentMalformed(size, status);
    }
}
