// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title RejectingVerifier
/// @notice For tests: rejects every quote.
contract RejectingVerifier is IQuoteVerifier {
    /// @notice Raised for every quote.
    error QuoteRejected();

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata, bytes32, TcbPolicy calldata) external pure returns (VerifiedQuote memory) {
        revert QuoteRejected();
    }

    /// @inheritdoc IQuoteVerifier
    function assessQuote(QuoteClaims calldata, TcbPolicy calldata) external pure returns (QuoteAssessment memory) {
        revert QuoteRejected();
    }
}
