// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuoteClaims, TcbStatus} from "../../types/VerifiedQuote.sol";

/// @title QeIdentityItem
/// @notice A QE identity in one word. Since 2023 all of Intel's for TDX say the same but for their levels; such a one
/// needs no contract of its own, and reading it costs no code copy.
/// @dev The levels stand in the lowest 160 bits, 20 each (ISVSVN 16 ‖ status 4), the first one lowest; zero is none.
library QeIdentityItem {
    uint256 private constant LEVEL_BITS = 20;
    uint256 private constant MAX_LEVELS = 8;

    /// @dev Of everything before the levels, as {CollateralReader} packs it: MISCSELECT 0 under ffffffff, ATTRIBUTES
    /// 11 00… under {ATTRIBUTES_MASK}, {SIGNER}, ISVPRODID 2.
    bytes32 private constant HEAD_HASH = 0x7f11d89cc3ed75dc94f2618c61cb3ffd12400696c983e26674d6624e699dbda6;
    uint256 private constant HEAD = 74;
    bytes16 private constant ATTRIBUTES = hex"11000000000000000000000000000000";
    bytes16 private constant ATTRIBUTES_MASK = hex"fbffffffffffffff0000000000000000";
    bytes32 private constant SIGNER = hex"dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";
    uint16 private constant PRODUCT = 2;

    // the same where claims have it: ATTRIBUTES 16 ‖ MISCSELECT 4 ‖ ISVPRODID 2
    uint256 private constant QE = (0x11 << 248) | (2 << 80);
    uint256 private constant QE_MASK = (0xfbffffffffffffff << 192) | (0xffffffffffff << 80);

    /// @notice The levels in one word; zero: it can't be put so.
    function compact(bytes memory packed) internal pure returns (uint256 levels) {
        bytes32 head;
        uint256 count;
        assembly ("memory-safe") {
            head := keccak256(add(packed, 0x20), HEAD)
            count := shr(240, mload(add(packed, add(0x20, HEAD))))
        }
        if (head != HEAD_HASH || count > MAX_LEVELS) return 0;
        for (uint256 i = count; i != 0; --i) {
            uint256 level;
            assembly ("memory-safe") {
                // 3 bytes: ISVSVN 2 ‖ status 1
                level := shr(232, mload(add(packed, add(add(0x22, HEAD), mul(3, sub(i, 1))))))
            }
            levels = (levels << LEVEL_BITS) | ((level >> 8) << 4) | (level & 0x0f);
        }
    }

    /// @notice The identity as {CollateralReader} packed it.
    function expand(uint256 levels) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(bytes4(0), type(uint32).max, ATTRIBUTES, ATTRIBUTES_MASK, SIGNER, PRODUCT);
        bytes memory list = "";
        uint16 count = 0;
        for (levels = uint160(levels); levels != 0; levels >>= LEVEL_BITS) {
            list = abi.encodePacked(list, uint16(levels >> 4), uint8(levels & 0x0f));
            ++count;
        }
        packed = abi.encodePacked(packed, count, list);
    }

    /// @notice Whether the claims are of that enclave, and which level it is at.
    function statusOf(uint256 levels, QuoteClaims memory claims) internal pure returns (TcbStatus) {
        uint256 qe = uint256(claims.qeAndEnd);
        if (claims.qeSigner == SIGNER && qe & QE_MASK == QE) {
            uint256 svn = (qe >> 64) & 0xffff;
            for (levels = uint160(levels); levels != 0; levels >>= LEVEL_BITS) {
                if (svn >= (levels >> 4) & 0xffff) return TcbStatus(levels & 0x0f);
            }
        }
        return TcbStatus.NOT_SUPPORTED;
    }
}
