// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {ShardSlots} from "../../../contracts/libraries/ShardSlots.sol";
import {ModelId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {Shard, Stage} from "../../../contracts/types/Shard.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given five shards of two models, one of them retired
///   when active shards are paged through: each should appear once, with any page size
///   when stages are read: an unknown shard should be all zero instead of a revert
contract ShardViewsTest is ShardFixture {
    Enclave[] private _enclaves;

    function setUp() public override {
        super.setUp();
        _enclaves.push(_shard("first", 0, 2, true));
        _enclaves.push(_shard("second", 2, LAYERS, false));
        _enclaves.push(_shard("third", 0, LAYERS, true));
        ModelId first = modelId;
        modelId = _publish();
        _enclaves.push(_shard("other", 0, LAYERS, true));
        modelId = first;
        _enclaves.push(_shard("fifth", 2, LAYERS, false));
        vm.prank(_enclaves[2].host);
        registry.retire(_enclaves[2].shardId);
    }

    function test_activeShards__any_page_size__shows_each_once(uint256 limit) external view {
        limit = bounded(limit, 1, 7);
        ShardId[3] memory seen;
        uint256 count;
        ShardId cursor;
        do {
            ShardId[] memory page;
            (page, cursor) = registry.activeShards(modelId, cursor, limit);
            for (uint256 i = 0; i < page.length; ++i) {
                seen[count++] = page[i];
            }
        } while (ShardId.unwrap(cursor) != 0);
        vm.assertEq(count, 3);
        vm.assertTrue(seen[0] == _enclaves[0].shardId);
        vm.assertTrue(seen[1] == _enclaves[1].shardId);
        vm.assertTrue(seen[2] == _enclaves[4].shardId);
    }

    function test_activeShards__all_expired__shows_none() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD + 1);
        (ShardId[] memory page, ShardId next) = registry.activeShards(modelId, ShardId.wrap(0), type(uint256).max);
        vm.assertEq(page.length, 0);
        vm.assertEq(ShardId.unwrap(next), 0);
    }

    function test_activeShards__cursor_beyond_the_last__shows_none() external view {
        (ShardId[] memory page, ShardId next) = registry.activeShards(modelId, ShardId.wrap(99), 10);
        vm.assertEq(page.length, 0);
        vm.assertEq(ShardId.unwrap(next), 0);
    }

    function test_packedPath__two_shards__hold_what_the_other_views_say() external view {
        ShardId[] memory shardIds = new ShardId[](2);
        (shardIds[0], shardIds[1]) = (_enclaves[0].shardId, _enclaves[1].shardId);
        bytes32[] memory words = registry.packedPath(shardIds);
        vm.assertEq(words.length, 9);
        vm.assertEq(abi.encode(ShardSlots.termsIn(words[0])), abi.encode(registry.termsOf(modelId)));
        for (uint256 i = 0; i < 2; ++i) {
            Stage memory stage = ShardSlots.stageAt(words, 1 + 4 * i, shardIds[i]);
            vm.assertEq(abi.encode(stage), abi.encode(registry.stage(shardIds[i])));
            _assertStage(stage, registry.shard(shardIds[i]));
            vm.assertEq(stage.signer, _enclaves[i].signer);
            vm.assertTrue(stage.isAttested);
        }
    }

    function _assertStage(Stage memory stage, Shard memory stored) private pure {
        vm.assertEq(stage.signer, stored.signer);
        vm.assertEq(stage.host, stored.host);
        vm.assertTrue(stage.modelId == stored.modelId);
        vm.assertEq(stage.firstLayer, stored.firstLayer);
        vm.assertEq(stage.endLayer, stored.endLayer);
        vm.assertEq(stage.isEntry, stored.isEntry);
        vm.assertEq(stage.identityDigest, stored.identityDigest);
        vm.assertEq(stage.quoteHash, stored.quoteHash);
    }

    function test_packedPath__unknown_shard__are_all_zero() external view {
        bytes32[] memory words = registry.packedPath(new ShardId[](1));
        vm.assertEq(abi.encodePacked(words), new bytes(5 * 32));
    }

    function test_packedPath__nothing__is_one_empty_word() external view {
        vm.assertEq(abi.encodePacked(registry.packedPath(new ShardId[](0))), new bytes(32));
    }

    function test_stage__last_second_of_its_attestation__is_attested() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        vm.assertTrue(registry.stage(_enclaves[0].shardId).isAttested);
        vm.warp(block.timestamp + 1);
        vm.assertFalse(registry.stage(_enclaves[0].shardId).isAttested);
    }

    function test_stage__retired__is_inactive() external view {
        vm.assertFalse(registry.stage(_enclaves[2].shardId).isAttested);
        (ModelId served, bool isEntry, bool isActive) = registry.recipientStatus(_enclaves[2].shardId);
        vm.assertTrue(served == modelId && isEntry && !isActive);
    }

    function test_shard__unknown__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.shard(ShardId.wrap(9));
    }
}
