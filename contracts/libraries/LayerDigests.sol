// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @title LayerDigests
/// @notice A model's layer digests, kept as the code of a contract: a range of them is read at the price of a code
/// copy.
library LayerDigests {
    /// @notice What fits into the code of one contract: (24,576 - 1) / 32.
    uint256 internal constant MAX_LAYERS = 767;

    /// @notice Writes the digests down for ever.
    function write(bytes32[] calldata digests) internal returns (address pointer) {
        return SSTORE2.write(abi.encodePacked(digests));
    }

    /// @notice How many there are.
    function count(address pointer) internal view returns (uint256) {
        // behind one STOP
        return pointer.code.length / 32;
    }

    /// @notice keccak256 over the digests in `[firstLayer, endLayer)`; the caller has checked the range.
    function slice(address pointer, uint256 firstLayer, uint256 endLayer) internal view returns (bytes32) {
        return keccak256(SSTORE2.read(pointer, firstLayer * 32, endLayer * 32));
    }

    /// @notice The same for an entry, which also holds embedding and head.
    function entrySlice(
        address pointer,
        uint256 firstLayer,
        uint256 endLayer,
        bytes32 embeddingDigest,
        bytes32 headDigest
    ) internal view returns (bytes32) {
        bytes memory layers = SSTORE2.read(pointer, firstLayer * 32, endLayer * 32);
        return keccak256(abi.encodePacked(layers, embeddingDigest, headDigest));
    }

    /// @notice All of them.
    function all(address pointer) internal view returns (bytes32[] memory digests) {
        bytes memory layers = SSTORE2.read(pointer);
        // Bytes and words lie alike behind their length, which counts the one or the other; `layers` is not used
        // again.
        assembly ("memory-safe") {
            digests := layers
            mstore(digests, div(mload(layers), 32))
        }
    }
}
