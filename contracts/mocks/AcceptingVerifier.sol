// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../interfaces/IQuoteVerifier.sol";
import {VerifiedQuote} from "../types/VerifiedQuote.sol";

/// @title AcceptingVerifier
/// @notice For tests: a "quote" is an ABI-encoded VerifiedQuote, and this verifier believes it.
contract AcceptingVerifier is IQuoteVerifier {
    /// @inheritdoc IQuoteVerifier
    function verifyQuote(bytes calldata quote, bytes32) external pure returns (VerifiedQuote memory verified) {
        return abi.decode(quote, (VerifiedQuote));
    }
}
