// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title CodeBlob
/// @notice Reads what SSTORE2 wrote, where the length is known.
library CodeBlob {
    /// @notice The `size` bytes behind the STOP at `pointer`.
    function read(address pointer, uint256 size) internal view returns (bytes memory content) {
        assembly ("memory-safe") {
            content := mload(0x40)
            mstore(content, size)
            let end := add(add(content, 0x20), size)
            extcodecopy(pointer, add(content, 0x20), 1, size)
            // readers take whole words: what follows the content is zero
            mstore(end, 0)
            mstore(add(end, 0x20), 0)
            mstore(0x40, and(add(end, 0x5f), not(0x1f)))
        }
    }
}
