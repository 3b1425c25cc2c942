// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {ShardId} from "../../../contracts/types/Identifiers.sol";
import {EvictionReason, ShardStatus} from "../../../contracts/types/Shard.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given an active shard when its host retires it: it should have left for good when anyone evicts it: it should leave
/// if its attestation has expired or its measurement was withdrawn, and stay otherwise
contract LeaveTest is ShardFixture {
    Enclave private _enclaveAtHand;
    ShardId private _shardId;

    function setUp() public override {
        super.setUp();
        _enclaveAtHand = _shard("entry", 0, 2, true);
        _shardId = _enclaveAtHand.shardId;
    }

    function test_retire__by_its_host__takes_it_out() external {
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardRetired(_shardId, _enclaveAtHand.host);
        vm.prank(_enclaveAtHand.host);
        registry.retire(_shardId);
        _assertHasLeft(ShardStatus.RETIRED);
    }

    function test_retire__by_a_stranger__reverts() external {
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IShardRegistry.NotTheHost.selector, _shardId, _enclaveAtHand.host, stranger)
        );
        registry.retire(_shardId);
    }

    function test_retire__twice__reverts() external {
        vm.startPrank(_enclaveAtHand.host);
        registry.retire(_shardId);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ShardNotActive.selector, _shardId, ShardStatus.RETIRED));
        registry.retire(_shardId);
    }

    function test_evict__attestation_expired__takes_it_out() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD + 1);
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardEvicted(_shardId, stranger, EvictionReason.ATTESTATION_EXPIRED);
        vm.prank(stranger);
        registry.evict(_shardId);
        _assertHasLeft(ShardStatus.EVICTED);
    }

    function test_evict__measurement_withdrawn__takes_it_out() external {
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        vm.assertTrue(registry.isActive(_shardId)); // until someone rechecks or evicts it
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardEvicted(_shardId, stranger, EvictionReason.MEASUREMENT_WITHDRAWN);
        vm.prank(stranger);
        registry.evict(_shardId);
        _assertHasLeft(ShardStatus.EVICTED);
    }

    function test_evict__last_second_of_its_attestation__reverts() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.ShardStillFit.selector, _shardId));
        registry.evict(_shardId);
    }

    function test_evict__twice__reverts() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD + 1);
        registry.evict(_shardId);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ShardNotActive.selector, _shardId, ShardStatus.EVICTED));
        registry.evict(_shardId);
    }

    function test_evict__unknown_shard__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.evict(ShardId.wrap(9));
    }

    function _assertHasLeft(ShardStatus status) private view {
        vm.assertTrue(registry.shard(_shardId).status == status);
        vm.assertFalse(registry.isActive(_shardId));
        vm.assertEq(registry.signerRecord(_enclaveAtHand.signer).leftAt, block.timestamp);
    }
}
