// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {QuoteClaims, TcbStatus} from "../../types/VerifiedQuote.sol";

/// @title QeIdentityItem
/// @notice A QE identity in one word. Since 2023 Intel's QE identities for TDX differ only in their levels; such an
/// identity needs no contract, and reading it no code copy.
/// @dev The levels are in the lowest 160 bits, 20 each (ISVSVN 16 ‖ status 4), the first one lowest; zero: no level.
library QeIdentityItem {
    uint256 private constant LEVEL_BITS = 20;
    uint256 private constant MAX_LEVELS = 8;

    /// @dev keccak256 of everything before the levels, as {CollateralReader} packs it: MISCSELECT 0 under mask
    /// ffffffff, ATTRIBUTES 11 00… under {ATTRIBUTES_MASK}, {SIGNER}, ISVPRODID 2.
    bytes32 private constant HEADER_HASH = 0x7f11d89cc3ed75dc94f2618c61cb3ffd12400696c983e26674d6624e699dbda6;
    uint256 private constant HEADER_BYTES = 74;
    bytes16 private constant ATTRIBUTES = hex"11000000000000000000000000000000";
    bytes16 private constant ATTRIBUTES_MASK = hex"fbffffffffffffff0000000000000000";
    bytes32 private constant SIGNER = hex"dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";
    uint16 private constant PRODUCT = 2;

    // the same at its place in QuoteClaims.qeAndEnd: ATTRIBUTES 16 ‖ MISCSELECT 4 ‖ ISVPRODID 2
    uint256 private constant QE = (0x11 << 248) | (2 << 80);
    uint256 private constant QE_MASK = (0xfbffffffffffffff << 192) | (0xffffffffffff << 80);

    /// @notice The levels in one word; zero: the identity does not fit.
    function tryPack(bytes memory packed) internal pure returns (uint256 levels) {
        bytes32 header;
        uint256 count;
        assembly ("memory-safe") {
            header := keccak256(add(packed, 0x20), HEADER_BYTES)
            count := shr(240, mload(add(packed, add(0x20, HEADER_BYTES))))
        }
        if (header != HEADER_HASH || count > MAX_LEVELS) return 0;
        for (uint256 i = count; i != 0; --i) {
            uint256 level;
            assembly ("memory-safe") {
                // 3 bytes: ISVSVN 2 ‖ status 1
                level := shr(232, mload(add(packed, add(add(0x22, HEADER_BYTES), mul(3, sub(i, 1))))))
            }
            levels = (levels << LEVEL_BITS) | ((level >> 8) << 4) | (level & 0x0f);
        }
    }

    /// @notice The identity as {CollateralReader} packed it.
    function unpack(uint256 levels) internal pure returns (bytes memory packed) {
        packed = abi.encodePacked(bytes4(0), type(uint32).max, ATTRIBUTES, ATTRIBUTES_MASK, SIGNER, PRODUCT);
        bytes memory list = "";
        uint16 count = 0;
        for (levels = uint160(levels); levels != 0; levels >>= LEVEL_BITS) {
            list = abi.encodePacked(list, uint16(levels >> 4), uint8(levels & 0x0f));
            ++count;
        }
        packed = abi.encodePacked(packed, count, list);
    }

    /// @notice The status of the level that the enclave of the claims reaches; NOT_SUPPORTED for any other enclave.
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
