// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuoteClaims} from "../types/VerifiedQuote.sol";

/// @title ClaimsHash
/// @notice A quote's name on chain: keccak256(abi.encode(claims)).
/// @dev The struct has one-word members, so it lies in memory and in calldata as the ABI encodes it.
library ClaimsHash {
    uint256 private constant CLAIMS = 0x100;

    /// @notice The name by claims that a verifier has read from the quote.
    function hash(QuoteClaims memory claims) internal pure returns (bytes32 quoteHash) {
        assembly ("memory-safe") {
            quoteHash := keccak256(claims, CLAIMS)
        }
    }

    /// @notice The name by claims that a caller gives.
    function hashGiven(QuoteClaims calldata claims) internal pure returns (bytes32 quoteHash) {
        assembly ("memory-safe") {
            // past the free memory pointer, which stays
            let copy := mload(0x40)
            calldatacopy(copy, claims, CLAIMS)
            quoteHash := keccak256(copy, CLAIMS)
        }
    }
}
