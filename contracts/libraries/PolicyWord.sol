// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {TcbPolicy, TcbStatus} from "../types/VerifiedQuote.sol";

/// @title PolicyWord
/// @notice A model's policy as the one word of its slot, so that an enrolment reads only the fields it needs.
/// @dev The layout is that of types/AttestationPolicy.sol, where the first member has the lowest bits.
library PolicyWord {
    /// @notice Reads the slot; zero for an unknown model, which accepts no status.
    function read(AttestationPolicy storage policy) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(policy.slot)
        }
    }

    /// @notice Whether the policy accepts the TCB status.
    function acceptsStatus(uint256 word, TcbStatus status) internal pure returns (bool) {
        return word & 0xffff & (1 << uint8(status)) != 0;
    }

    /// @notice Which collateral the policy relies on.
    function tcbPolicy(uint256 word) internal pure returns (TcbPolicy memory) {
        return TcbPolicy({minimumEvaluationNumber: uint16(word >> 16), maxCollateralAge: uint32(word >> 32)});
    }

    /// @notice Whether the policy allows every bit that is set, both in the byte order of the quote.
    function allowsFeatures(uint256 word, bytes8 tdAttributes, bytes8 xfam) internal pure returns (bool) {
        return uint64(tdAttributes) & ~(word >> 64) == 0 && uint64(xfam) & ~(word >> 128) == 0;
    }

    /// @notice Whether a platform must be on the model's list.
    function requiresListing(uint256 word) internal pure returns (bool) {
        return (word >> 192) & 0xff != 0;
    }
}
