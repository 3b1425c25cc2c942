// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title RejectingVerifier
/// @notice For tests: no quote is good enough for it.
contract RejectingVerifier is IQuoteVerifier {
    error QuoteRejected();

    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata, bytes32) external pure returns (VerifiedQuote memory) {
        revert QuoteRejected();
    }
}
