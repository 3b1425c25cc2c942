// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title PackedBytes
/// @notice A byte array that grows within a reserved capacity.
/// @dev Appending does not check the capacity. It suffices because the caller reserves as many bytes as its text has
/// characters, and appends fewer bytes than it reads characters.
library PackedBytes {
    /// @notice An empty array with a capacity of `capacity` bytes.
    function reserve(uint256 capacity) internal pure returns (bytes memory packed) {
        // 64 more: appending writes a whole word, and counters are appended before the text is read
        packed = new bytes(capacity + 64);
        assembly ("memory-safe") {
            mstore(packed, 0)
        }
    }

    /// @notice Appends the lowest `size` bytes (at most 32) of `value`.
    /// @return position Their offset.
    function append(bytes memory packed, uint256 value, uint256 size) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := mload(packed)
            mstore(add(add(packed, 0x20), position), shl(sub(256, shl(3, size)), value))
            mstore(packed, add(position, size))
        }
    }

    /// @notice Overwrites the two bytes at `position` with `value`, which is at most 65,535.
    function overwriteUint16(bytes memory packed, uint256 position, uint256 value) internal pure {
        assembly ("memory-safe") {
            let target := add(add(packed, 0x20), position)
            mstore8(target, shr(8, value))
            mstore8(add(target, 1), value)
        }
    }
}
