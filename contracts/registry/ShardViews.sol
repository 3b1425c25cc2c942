// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardRegistry} from "../interfaces/IShardRegistry.sol";
import {EnclaveIdentity} from "../libraries/EnclaveIdentity.sol";
import {ShardSlots} from "../libraries/ShardSlots.sol";
import {ModelId, ShardId} from "../types/Identifiers.sol";
import {Identity, PauseAndPlatform, Shard, ShardStatus, SignerRecord, Stage} from "../types/Shard.sol";
import {ModelRegistry} from "./ModelRegistry.sol";
import {ShardBonds} from "./ShardBonds.sol";

/// @title ShardViews
/// @notice What the escrow, oracles and wallets read about shards.
/// @dev Whether a shard is active depends on the time, so no transaction marks an expiry: each view compares with the
/// block's timestamp. Views for single values return zero for an unknown shard where the escrow relies on it, and
/// revert where a reader would mistake zero for a value.
abstract contract ShardViews is ModelRegistry, ShardBonds, IShardRegistry {
    /// @dev Also the id of the latest shard; at most `MAX_SHARD_ID`.
    uint32 internal _shardCount;

    /* SHARDS */

    /// @inheritdoc IShardRegistry
    function shardCount() external view returns (uint256) {
        return _shardCount;
    }

    /// @inheritdoc IShardRegistry
    /// @dev `attestedUntil` may have passed; see {isActive}.
    function shard(ShardId shardId) external view returns (Shard memory) {
        return _requireShard(shardId);
    }

    /// @inheritdoc IShardRegistry
    function isActive(ShardId shardId) external view returns (bool) {
        return _isActive(_shards[shardId]);
    }

    /// @inheritdoc IShardRegistry
    /// @dev Reads up to two slots per id, so callers choose a limit that their node's gas cap allows.
    function activeShards(ModelId modelId, ShardId cursor, uint256 limit)
        external
        view
        returns (ShardId[] memory shardIds, ShardId next)
    {
        uint256 first = uint256(ShardId.unwrap(cursor)) + 1;
        uint256 remaining = first > _shardCount ? 0 : _shardCount - first + 1;
        uint256 end = first + (limit < remaining ? limit : remaining);
        uint256 found;
        shardIds = new ShardId[](end - first);
        for (uint256 id = first; id < end; ++id) {
            ShardId shardId = ShardId.wrap(uint32(id)); // at most _shardCount
            Shard storage candidate = _shards[shardId];
            if (candidate.modelId == modelId && _isActive(candidate)) shardIds[found++] = shardId;
        }
        // Shortens the array; found <= end - first.
        assembly ("memory-safe") {
            mstore(shardIds, found)
        }
        if (limit < remaining) next = ShardId.wrap(uint32(end - 1));
    }

    /// @inheritdoc IShardRegistry
    /// @dev The record holds an index of 32 bits instead of the measurement, so that it fits one slot.
    function measurementOf(ShardId shardId) public view returns (bytes32) {
        return _measurementAt(_requireShard(shardId).modelId, _recordOf(shardId).measurementIndex);
    }

    /// @inheritdoc IShardRegistry
    function enrolmentBlock(ShardId shardId) external view returns (uint256) {
        return _recordOf(shardId).enrolledAtBlock;
    }

    /// @inheritdoc IShardRegistry
    function attestationBlock(ShardId shardId) external view returns (uint256) {
        return _recordOf(shardId).attestedAtBlock;
    }

    /* SIGNERS AND IDENTITIES */

    /// @inheritdoc IShardRegistry
    function shardOf(address signer) external view returns (ShardId) {
        return _signers[signer].shardId;
    }

    /// @inheritdoc IShardRegistry
    function signerRecord(address signer) external view returns (SignerRecord memory) {
        return _signers[signer];
    }

    /// @inheritdoc IShardRegistry
    function identityDigest(Identity calldata identity) external view returns (bytes32) {
        return EnclaveIdentity.digest(identity, address(this));
    }

    /* FOR THE ESCROW */

    /// @inheritdoc IShardRegistry
    /// @dev Reads two slots; returning the whole shard would read four.
    function recipientStatus(ShardId shardId) external view returns (ModelId modelId, bool isEntry, bool active) {
        Shard storage recipient = _shards[shardId];
        return (recipient.modelId, recipient.isEntry, _isActive(recipient));
    }

    /// @inheritdoc IShardRegistry
    /// @dev Unpacked by the same code that the escrow uses for {packedPath}, so the two cannot differ.
    function stage(ShardId shardId) external view returns (Stage memory) {
        bytes32[] memory words = new bytes32[](ShardSlots.WORDS_PER_SHARD);
        ShardSlots.copySlots({shard: _shards[shardId], words: words, position: 0});
        return ShardSlots.stageAt(words, 0, shardId);
    }

    /// @inheritdoc IShardRegistry
    /// @dev Does not check that the shards are of one model; the escrow does.
    function packedPath(ShardId[] calldata shardIds) external view returns (bytes32[] memory words) {
        words = new bytes32[](1 + ShardSlots.WORDS_PER_SHARD * shardIds.length);
        for (uint256 i = 0; i < shardIds.length; ++i) {
            ShardSlots.copySlots({
                shard: _shards[shardIds[i]], words: words, position: 1 + ShardSlots.WORDS_PER_SHARD * i
            });
        }
        if (shardIds.length != 0) words[0] = _termsWord(ShardSlots.modelIdIn(words[1]));
    }

    /// @inheritdoc IShardRegistry
    /// @dev Both are in the signer's record. A shard that no longer owns it has left, and a settlement has refused it.
    function pausesAndPlatforms(ShardId[] calldata shardIds) external view returns (PauseAndPlatform[] memory found) {
        found = new PauseAndPlatform[](shardIds.length);
        for (uint256 i = 0; i < shardIds.length; ++i) {
            Shard storage existing = _shards[shardIds[i]];
            SignerRecord storage record = _signers[existing.signer];
            if (record.shardId != shardIds[i]) continue;
            if (existing.status == ShardStatus.PAUSED) found[i].pausedAt = record.leftAt;
            found[i].platformTag = record.platformTag;
        }
    }

    /* LOOKUP */

    /// @dev The record of the shard's signer. Reverts if that is now another shard's.
    function _recordOf(ShardId shardId) internal view returns (SignerRecord storage record) {
        record = _signers[_requireShard(shardId).signer];
        if (record.shardId != shardId) revert ShardReplaced(shardId, record.shardId);
    }

    /// @dev An unknown shard is not active: its status is NONE.
    function _isActive(Shard storage candidate) private view returns (bool) {
        bool isAttested = candidate.status == ShardStatus.ACTIVE && block.timestamp <= candidate.attestedUntil;
        return isAttested && candidate.bond >= BOND;
    }
}
