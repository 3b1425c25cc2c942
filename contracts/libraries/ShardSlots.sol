// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ModelId, ShardId} from "../types/Identifiers.sol";
import {Model, ModelTerms} from "../types/Model.sol";
import {Shard, ShardStatus, SignerRecord, Stage} from "../types/Shard.sol";

/// @title ShardSlots
/// @notice Shards and model terms as they lie in storage, for the escrow: to hand four words over as they are costs a
/// tenth of taking them apart, encoding and decoding them. The layout is that of types/Shard.sol and types/Model.sol,
/// each slot's first member in its lowest bits.
library ShardSlots {
    uint256 internal constant WORDS = 4;

    /// @notice Copies a shard's slots to `words[position]` and on. The caller has made room for them.
    function copy(Shard storage shard, bytes32[] memory words, uint256 position) internal view {
        assembly ("memory-safe") {
            let from := shard.slot
            let to := add(words, mul(add(position, 1), 0x20))
            mstore(to, sload(from))
            mstore(add(to, 0x20), sload(add(from, 1)))
            mstore(add(to, 0x40), sload(add(from, 2)))
            mstore(add(to, 0x60), sload(add(from, 3)))
        }
    }

    /// @notice Slot 0 of an active shard.
    function standing(address host, uint32 attestedUntil, ModelId modelId, uint16 firstLayer, bool isEntry)
        internal
        pure
        returns (uint256)
    {
        return uint256(uint160(host)) | (uint256(attestedUntil) << 160) | (uint256(ModelId.unwrap(modelId)) << 192)
            | (uint256(firstLayer) << 224) | (uint256(ShardStatus.ACTIVE) << 240) | (isEntry ? 1 << 248 : 0);
    }

    /// @notice Slot 0 of a shard.
    function standingOf(Shard storage shard) internal view returns (bytes32 word) {
        assembly ("memory-safe") {
            word := sload(shard.slot)
        }
    }

    /// @notice The status in a word of `standingOf`.
    function statusIn(bytes32 word) internal pure returns (ShardStatus) {
        return ShardStatus(uint8(uint256(word) >> 240));
    }

    /// @notice The Unix second in a word of `standingOf` at which the shard's attestation ends.
    function attestedUntilIn(bytes32 word) internal pure returns (uint32) {
        return uint32(uint256(word) >> 160);
    }

    /// @notice Slot 1 of a shard.
    function ownership(address signer, uint80 bond, uint16 endLayer) internal pure returns (uint256) {
        return uint256(uint160(signer)) | (uint256(bond) << 160) | (uint256(endLayer) << 240);
    }

    /// @notice Writes all slots of a shard, each once.
    function write(
        Shard storage shard,
        uint256 standingWord,
        uint256 ownershipWord,
        bytes32 identityDigest,
        bytes32 quoteHash
    ) internal {
        assembly ("memory-safe") {
            let slot_ := shard.slot
            sstore(slot_, standingWord)
            sstore(add(slot_, 1), ownershipWord)
            sstore(add(slot_, 2), identityDigest)
            sstore(add(slot_, 3), quoteHash)
        }
    }

    /// @notice Writes the record of a signer that enrols now.
    function write(SignerRecord storage record, ShardId shardId, uint32 measurementIndex, bytes8 platformTag)
        internal
    {
        uint256 word = ShardId.unwrap(shardId) | (block.number << 32) | (block.number << 72)
            | (uint256(measurementIndex) << 152) | (uint256(uint64(platformTag)) << 184);
        assembly ("memory-safe") {
            sstore(record.slot, word)
        }
    }

    /// @notice The slot of a model's terms.
    function termsWord(Model storage model) internal view returns (bytes32 word) {
        assembly ("memory-safe") {
            word := sload(add(model.slot, 1))
        }
    }

    /// @notice The stage of the shard whose four words are at `words[position]`.
    function stageAt(bytes32[] memory words, uint256 position, ShardId shardId)
        internal
        view
        returns (Stage memory stage)
    {
        stage.shardId = shardId;
        uint256 first = uint256(words[position]);
        uint256 second = uint256(words[position + 1]);
        stage.host = address(uint160(first));
        stage.modelId = modelIdOf(words[position]);
        stage.firstLayer = uint16(first >> 224);
        stage.isEntry = first >> 248 != 0;
        stage.signer = address(uint160(second));
        stage.endLayer = uint16(second >> 240);
        if (block.timestamp <= uint32(first >> 160)) {
            uint8 status = uint8(first >> 240);
            stage.isAttested = status == uint8(ShardStatus.ACTIVE);
            stage.isPaused = status == uint8(ShardStatus.PAUSED);
        }
        stage.identityDigest = words[position + 2];
        stage.quoteHash = words[position + 3];
    }

    /// @notice The model of the shard whose first slot this is.
    function modelIdOf(bytes32 word) internal pure returns (ModelId) {
        return ModelId.wrap(uint32(uint256(word) >> 192));
    }

    /// @notice The terms in a word of `termsWord`.
    function termsIn(bytes32 word) internal pure returns (ModelTerms memory terms) {
        uint256 packed = uint256(word);
        terms.royaltyRecipient = address(uint160(packed));
        terms.royaltyBps = uint16(packed >> 160);
        terms.layerCount = uint16(packed >> 176);
        terms.entryLayerEquivalents = uint16(packed >> 192);
        terms.minHosts = uint8(packed >> 208);
        terms.minPlatforms = uint8(packed >> 216);
    }
}
