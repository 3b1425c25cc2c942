// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @title LayerDigests
/// @notice A model's layer digests, stored as the code of a contract: reading a range of them costs one code copy
/// instead of one storage access per layer.
library LayerDigests {
    /// @notice As many as fit into the code of one contract: (24,576 - 1) / 32.
    uint256 internal constant MAX_LAYERS = 767;

    /// @notice Stores the digests for good; at most {MAX_LAYERS}, which the caller has checked.
    function write(bytes32[] calldata digests) internal returns (address pointer) {
        return SSTORE2.write(abi.encodePacked(digests));
    }

    /// @notice How many digests are stored.
    function count(address pointer) internal view returns (uint256) {
        // SSTORE2 puts a STOP in front, which the division drops
        return pointer.code.length / 32;
    }

    /// @notice keccak256 of the digests in `[firstLayer, endLayer)`, a range that the caller has checked.
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

    /// @notice All digests, in order.
    function readAll(address pointer) internal view returns (bytes32[] memory digests) {
        bytes memory layers = SSTORE2.read(pointer);
        // Turns bytes into an array of words in place: only the length differs. `layers` is not used again.
        assembly ("memory-safe") {
            digests := layers
            mstore(digests, div(mload(layers), 32))
        }
    }
}
