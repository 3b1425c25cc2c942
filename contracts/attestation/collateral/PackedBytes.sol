// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title PackedBytes
/// @notice Bytes which grow in room that was reserved for them.
/// @dev Nothing checks that room is left. Whoever appends has read more characters of text than it appends bytes, and
/// has reserved room for the whole text.
library PackedBytes {
    /// @notice Room for `capacity` bytes, of which none is used.
    function reserve(uint256 capacity) internal pure returns (bytes memory packed) {
        // a word is written to append its first bytes, and before the text a few bytes are set aside
        packed = new bytes(capacity + 64);
        assembly ("memory-safe") {
            mstore(packed, 0)
        }
    }

    /// @notice Appends the lowest `size` bytes (at most 32) of `value`.
    /// @return position Where they begin.
    function append(bytes memory packed, uint256 value, uint256 size) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := mload(packed)
            mstore(add(add(packed, 0x20), position), shl(sub(256, shl(3, size)), value))
            mstore(packed, add(position, size))
        }
    }

    /// @notice Writes over the two bytes at `position` what is at most 65,535.
    function put(bytes memory packed, uint256 position, uint256 value) internal pure {
        assembly ("memory-safe") {
            let place := add(add(packed, 0x20), position)
            mstore8(place, shr(8, value))
            mstore8(add(place, 1), value)
        }
    }
}
