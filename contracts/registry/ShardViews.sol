// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardRegistry} from "../interfaces/IShardRegistry.sol";
import {EnclaveIdentity} from "../libraries/EnclaveIdentity.sol";
import {ShardSlots} from "../libraries/ShardSlots.sol";
import {ModelId, ShardId} from "../types/Identifiers.sol";
import {Circumstances, Identity, Shard, ShardStatus, SignerRecord, Stage} from "../types/Shard.sol";
import {ModelRegistry} from "./ModelRegistry.sol";
import {ShardBonds} from "./ShardBonds.sol";

/// @title ShardViews
/// @notice What the escrow, oracles and wallets read about shards.
abstract contract ShardViews is ModelRegistry, ShardBonds, IShardRegistry {
    uint32 internal _shardCount;

    /// @inheritdoc IShardRegistry
    function shardCount() external view returns (uint256) {
        return _shardCount;
    }

    /// @inheritdoc IShardRegistry
    function shard(ShardId shardId) external view returns (Shard memory) {
        return _enrolled(shardId);
    }

    /// @inheritdoc IShardRegistry
    function isActive(ShardId shardId) external view returns (bool) {
        return _isActive(_shards[shardId]);
    }

    /// @inheritdoc IShardRegistry
    function activeShards(ModelId modelId, ShardId cursor, uint256 limit)
        external
        view
        returns (ShardId[] memory shardIds, ShardId next)
    {
        uint256 first = uint256(ShardId.unwrap(cursor)) + 1;
        uint256 left = first > _shardCount ? 0 : _shardCount - first + 1;
        uint256 end = first + (limit < left ? limit : left);
        uint256 found;
        shardIds = new ShardId[](end - first);
        for (uint256 id = first; id < end; ++id) {
            ShardId shardId = ShardId.wrap(uint32(id)); // at most _shardCount
            Shard storage candidate = _shards[shardId];
            if (candidate.modelId == modelId && _isActive(candidate)) shardIds[found++] = shardId;
        }
        // Shortens the array to what was found.
        assembly ("memory-safe") {
            mstore(shardIds, found)
        }
        if (limit < left) next = ShardId.wrap(uint32(end - 1));
    }

    /// @inheritdoc IShardRegistry
    function shardOf(address signer) external view returns (ShardId) {
        return _signers[signer].shardId;
    }

    /// @inheritdoc IShardRegistry
    function signerRecord(address signer) external view returns (SignerRecord memory) {
        return _signers[signer];
    }

    /// @inheritdoc IShardRegistry
    function measurementOf(ShardId shardId) public view returns (bytes32) {
        return _measurementAt(_enrolled(shardId).modelId, _recordOf(shardId).measurementIndex);
    }

    /// @inheritdoc IShardRegistry
    function enrolmentBlock(ShardId shardId) external view returns (uint256) {
        return _recordOf(shardId).enrolledAtBlock;
    }

    /// @inheritdoc IShardRegistry
    function attestationBlock(ShardId shardId) external view returns (uint256) {
        return _recordOf(shardId).attestedAtBlock;
    }

    /// @inheritdoc IShardRegistry
    function standingOf(ShardId shardId) external view returns (ModelId modelId, bool isEntry, bool active) {
        Shard storage standing = _shards[shardId];
        return (standing.modelId, standing.isEntry, _isActive(standing));
    }

    /// @inheritdoc IShardRegistry
    function stage(ShardId shardId) external view returns (Stage memory) {
        bytes32[] memory words = new bytes32[](ShardSlots.WORDS);
        ShardSlots.copy({shard: _shards[shardId], words: words, position: 0});
        return ShardSlots.stageAt(words, 0, shardId);
    }

    /// @inheritdoc IShardRegistry
    function pathSlots(ShardId[] calldata shardIds) external view returns (bytes32[] memory words) {
        words = new bytes32[](1 + ShardSlots.WORDS * shardIds.length);
        for (uint256 i = 0; i < shardIds.length; ++i) {
            ShardSlots.copy({shard: _shards[shardIds[i]], words: words, position: 1 + ShardSlots.WORDS * i});
        }
        if (shardIds.length != 0) words[0] = _termsWord(ShardSlots.modelIdOf(words[1]));
    }

    /// @inheritdoc IShardRegistry
    function circumstances(ShardId[] calldata shardIds) external view returns (Circumstances[] memory found) {
        found = new Circumstances[](shardIds.length);
        for (uint256 i = 0; i < shardIds.length; ++i) {
            Shard storage met = _shards[shardIds[i]];
            SignerRecord storage record = _signers[met.signer];
            if (record.shardId != shardIds[i]) continue;
            if (met.status == ShardStatus.PAUSED) found[i].pausedAt = record.leftAt;
            found[i].platformTag = record.platformTag;
        }
    }

    /// @inheritdoc IShardRegistry
    function identityDigest(Identity calldata identity) external view returns (bytes32) {
        return EnclaveIdentity.digest(identity, address(this));
    }

    /// @dev A signer has one record; a shard that left loses it when its signer enrols another.
    function _recordOf(ShardId shardId) internal view returns (SignerRecord storage record) {
        record = _signers[_enrolled(shardId).signer];
        if (record.shardId != shardId) revert ShardReplaced(shardId, record.shardId);
    }

    function _isActive(Shard storage candidate) private view returns (bool) {
        bool isAttested = candidate.status == ShardStatus.ACTIVE && block.timestamp <= candidate.attestedUntil;
        return isAttested && candidate.bond >= BOND;
    }
}
