// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {ModelId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {ModelTerms} from "../../../contracts/types/Model.sol";
import {Stage} from "../../../contracts/types/Shard.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given five shards of two models, one of them retired
///   when active shards are paged through: each should appear once, whatever the page size
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

    function test_path__two_shards__returns_their_stages_and_the_terms() external view {
        ShardId[] memory shardIds = new ShardId[](2);
        (shardIds[0], shardIds[1]) = (_enclaves[0].shardId, _enclaves[1].shardId);
        (Stage[] memory stages, ModelTerms memory terms) = registry.path(shardIds);
        vm.assertEq(terms.layerCount, LAYERS);
        for (uint256 i = 0; i < 2; ++i) {
            vm.assertEq(stages[i].signer, _enclaves[i].signer);
            vm.assertEq(stages[i].host, _enclaves[i].host);
            vm.assertEq(stages[i].firstLayer, _enclaves[i].firstLayer);
            vm.assertEq(stages[i].endLayer, _enclaves[i].endLayer);
            vm.assertEq(stages[i].isEntry, i == 0);
            vm.assertTrue(stages[i].isAttested);
            vm.assertTrue(stages[i].modelId == modelId);
        }
    }

    function test_path__unknown_shard__is_all_zero() external view {
        (Stage[] memory stages, ModelTerms memory terms) = registry.path(new ShardId[](1));
        vm.assertEq(stages[0].signer, address(0));
        vm.assertFalse(stages[0].isAttested);
        vm.assertEq(terms.layerCount, 0);
    }

    function test_path__nothing__returns_nothing() external view {
        (Stage[] memory stages,) = registry.path(new ShardId[](0));
        vm.assertEq(stages.length, 0);
    }

    function test_stage__retired__is_inactive() external view {
        vm.assertFalse(registry.stage(_enclaves[2].shardId).isAttested);
        (ModelId served, bool isEntry, bool isActive) = registry.standingOf(_enclaves[2].shardId);
        vm.assertTrue(served == modelId && isEntry && !isActive);
    }

    function test_shard__unknown__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.shard(ShardId.wrap(9));
    }
}
