// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title CodeBlob
/// @notice Reads what SSTORE2 wrote, for callers that know the length.
library CodeBlob {
    /// @notice The first `size` bytes after the STOP at `pointer`.
    function read(address pointer, uint256 size) internal view returns (bytes memory content) {
        assembly ("memory-safe") {
            content := mload(0x40)
            mstore(content, size)
            let end := add(add(content, 0x20), size)
            extcodecopy(pointer, add(content, 0x20), 1, size)
            // readers load whole words, so what follows the content must be zero
            mstore(end, 0)
            mstore(add(end, 0x20), 0)
            mstore(0x40, and(add(end, 0x5f), not(0x1f)))
        }
    }
}
