// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {TcbPolicy, TcbStatus} from "../types/VerifiedQuote.sol";

/// @title PolicyWord
/// @notice A model's policy as it lies in its slot: what an enrolment asks of it needn't be taken apart first. The
/// layout is that of types/AttestationPolicy.sol, the first member in the lowest bits.
library PolicyWord {
    function read(AttestationPolicy storage policy) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(policy.slot)
        }
    }

    function accepts(uint256 word, TcbStatus status) internal pure returns (bool) {
        return word & 0xffff & (1 << uint8(status)) != 0;
    }

    function tcbPolicy(uint256 word) internal pure returns (TcbPolicy memory) {
        return TcbPolicy({minimumEvaluationNumber: uint16(word >> 16), maxCollateralAge: uint32(word >> 32)});
    }

    function allows(uint256 word, bytes8 tdAttributes, bytes8 xfam) internal pure returns (bool) {
        return uint64(tdAttributes) & ~(word >> 64) == 0 && uint64(xfam) & ~(word >> 128) == 0;
    }

    function wantsListed(uint256 word) internal pure returns (bool) {
        return (word >> 192) & 0xff != 0;
    }
}
