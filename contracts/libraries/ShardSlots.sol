// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ModelId, ShardId} from "../types/Identifiers.sol";
import {Model, ModelTerms} from "../types/Model.sol";
import {Shard, ShardStatus, SignerRecord, Stage} from "../types/Shard.sol";

/// @title ShardSlots
/// @notice Reads and writes shards, signer records and model terms as whole storage slots.
/// @dev The registry returns a path to the escrow as packed words, which costs a tenth of unpacking, encoding and
/// decoding structs. The layout is that of types/Shard.sol and types/Model.sol, where the first member of each slot has
/// the lowest bits; tests/forge/registry/ShardViews.t.sol compares it with what the compiler does.
library ShardSlots {
    /// @notice Slots, and so words, of a shard.
    uint256 internal constant WORDS_PER_SHARD = 4;

    /* READING */

    /// @notice Copies a shard's slots to `words[position]` and the three after it. The array is long enough: the caller
    /// allocated it.
    function copySlots(Shard storage shard, bytes32[] memory words, uint256 position) internal view {
        assembly ("memory-safe") {
            let from := shard.slot
            let to := add(words, mul(add(position, 1), 0x20))
            mstore(to, sload(from))
            mstore(add(to, 0x20), sload(add(from, 1)))
            mstore(add(to, 0x40), sload(add(from, 2)))
            mstore(add(to, 0x60), sload(add(from, 3)))
        }
    }

    /// @notice Slot 0 of a shard.
    function readSlot0(Shard storage shard) internal view returns (bytes32 slot0) {
        assembly ("memory-safe") {
            slot0 := sload(shard.slot)
        }
    }

    /// @notice Slot 1 of a model, which holds its terms; zero for an unknown model.
    function readTermsSlot(Model storage model) internal view returns (bytes32 word) {
        assembly ("memory-safe") {
            word := sload(add(model.slot, 1))
        }
    }

    /* UNPACKING */

    /// @notice The status in a shard's slot 0.
    function statusIn(bytes32 slot0) internal pure returns (ShardStatus) {
        return ShardStatus(uint8(uint256(slot0) >> 240));
    }

    /// @notice The last Unix second of the attestation, in a shard's slot 0.
    function attestedUntilIn(bytes32 slot0) internal pure returns (uint32) {
        return uint32(uint256(slot0) >> 160);
    }

    /// @notice The model in a shard's slot 0.
    function modelIdIn(bytes32 slot0) internal pure returns (ModelId) {
        return ModelId.wrap(uint32(uint256(slot0) >> 192));
    }

    /// @notice The terms in a word of {readTermsSlot}.
    function termsIn(bytes32 word) internal pure returns (ModelTerms memory terms) {
        uint256 packed = uint256(word);
        terms.royaltyRecipient = address(uint160(packed));
        terms.royaltyBps = uint16(packed >> 160);
        terms.layerCount = uint16(packed >> 176);
        terms.entryLayerEquivalents = uint16(packed >> 192);
        terms.minHosts = uint8(packed >> 208);
        terms.minPlatforms = uint8(packed >> 216);
    }

    /// @notice The stage of the shard whose four slots start at `words[position]`, at the time of the block.
    function stageAt(bytes32[] memory words, uint256 position, ShardId shardId)
        internal
        view
        returns (Stage memory stage)
    {
        stage.shardId = shardId;
        uint256 first = uint256(words[position]);
        uint256 second = uint256(words[position + 1]);
        stage.host = address(uint160(first));
        stage.modelId = modelIdIn(words[position]);
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

    /* PACKING AND WRITING */

    /// @notice Slot 0 of an active shard.
    function packSlot0(address host, uint32 attestedUntil, ModelId modelId, uint16 firstLayer, bool isEntry)
        internal
        pure
        returns (uint256)
    {
        return uint256(uint160(host)) | (uint256(attestedUntil) << 160) | (uint256(ModelId.unwrap(modelId)) << 192)
            | (uint256(firstLayer) << 224) | (uint256(ShardStatus.ACTIVE) << 240) | (isEntry ? 1 << 248 : 0);
    }

    /// @notice Slot 1 of a shard.
    function packSlot1(address signer, uint80 bond, uint16 endLayer) internal pure returns (uint256) {
        return uint256(uint160(signer)) | (uint256(bond) << 160) | (uint256(endLayer) << 240);
    }

    /// @notice Writes each slot of a new shard once.
    function writeShard(Shard storage shard, uint256 slot0, uint256 slot1, bytes32 identityDigest, bytes32 quoteHash)
        internal
    {
        assembly ("memory-safe") {
            let first := shard.slot
            sstore(first, slot0)
            sstore(add(first, 1), slot1)
            sstore(add(first, 2), identityDigest)
            sstore(add(first, 3), quoteHash)
        }
    }

    /// @notice Writes the record of a signer whose shard is enrolled, and so attested, in this block. 40 bits hold the
    /// block number for 70,000 years of blocks of two seconds.
    function writeSignerRecord(
        SignerRecord storage record,
        ShardId shardId,
        uint32 measurementIndex,
        bytes8 platformTag
    ) internal {
        uint256 word = ShardId.unwrap(shardId) | (block.number << 32) | (block.number << 72)
            | (uint256(measurementIndex) << 152) | (uint256(uint64(platformTag)) << 184);
        assembly ("memory-safe") {
            sstore(record.slot, word)
        }
    }
}
