// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {QuoteAssessment, QuoteClaims, TcbPolicy, VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title AcceptingVerifier
/// @notice For tests: a "quote" is an ABI-encoded VerifiedQuote, which this verifier returns. Its assessments are what
/// a test sets.
contract AcceptingVerifier is IQuoteVerifier {
    QuoteAssessment private _assessment;

    /// @notice Sets what {assessQuote} returns.
    function setAssessment(QuoteAssessment calldata assessment) external {
        _assessment = assessment;
    }

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32, TcbPolicy calldata)
        external
        pure
        returns (VerifiedQuote memory verified)
    {
        return abi.decode(quote, (VerifiedQuote));
    }

    /// @inheritdoc IQuoteVerifier
    function assessQuote(QuoteClaims calldata, TcbPolicy calldata)
        external
        view
        returns (QuoteAssessment memory assessment)
    {
        return _assessment;
    }
}
