// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {ModelId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {RequestParameters} from "../../../contracts/types/Request.sol";
import {EvictionReason, PauseAndPlatform, ShardStatus} from "../../../contracts/types/Shard.sol";
import {TcbStatus} from "../../../contracts/types/VerifiedQuote.sol";
import {RecheckFixture} from "./RecheckFixture.sol";

/// Given a paused shard
///   it should get no requests, and count as active nowhere
///   when it is found fit: it should be resumed, as if it had never been paused
///   when it is rechecked without collateral: it should stay paused since the first time
///   when it is found unfit: it should be evicted, and its bond released after that
///   when its host retires it, or it expires and anyone evicts it: it should have left
///   when its host renews it: it should be active again, also after an eviction
///   when its bond is withdrawn: it should be refused; when its bond is topped up: it should be accepted
contract PausedTest is RecheckFixture {
    uint256 private _pausedAt;

    function setUp() public override {
        super.setUp();
        assessment.tcbStatus = TcbStatus.UNCHECKED;
        _assertPauses();
        _pausedAt = block.timestamp;
        vm.warp(_pausedAt + 1 days);
    }

    /* WHAT OTHERS SEE */

    function test_views__paused__do_not_show_it_as_active() external view {
        (ModelId served, bool isEntry, bool isActive) = registry.recipientStatus(shardId);
        vm.assertTrue(served == modelId && isEntry && !isActive);
        (ShardId[] memory page,) = registry.activeShards(modelId, ShardId.wrap(0), 10);
        vm.assertEq(page.length, 0);
        PauseAndPlatform memory found = registry.pausesAndPlatforms(_path())[0];
        vm.assertEq(found.pausedAt, _pausedAt);
        vm.assertEq(bytes32(found.platformTag), bytes32(bytes8(PLATFORM)));
    }

    function test_request__to_a_paused_shard__reverts() external {
        RequestParameters memory parameters;
        parameters.modelId = modelId;
        parameters.recipients = _path();
        (parameters.maxInputTokens, parameters.maxOutputTokens) = (10, 10);
        parameters.deadline = uint40(block.timestamp + 600);
        parameters.envelope = "a sealed envelope";
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.RecipientInactive.selector, shardId));
        escrow.request(parameters);
    }

    function test_stage__paused_and_expired__is_neither() external {
        vm.warp(registry.shard(shardId).attestedUntil);
        vm.assertTrue(registry.stage(shardId).isPaused);
        vm.warp(block.timestamp + 1);
        vm.assertFalse(registry.stage(shardId).isPaused);
        vm.assertFalse(registry.stage(shardId).isAttested);
    }

    /* RECHECKED AGAIN */

    function test_recheck__fit__resumes_it() external {
        assessment.tcbStatus = TcbStatus.UP_TO_DATE;
        _assertResumes();
        vm.assertEq(registry.pausesAndPlatforms(_path())[0].pausedAt, 0);
    }

    function test_recheck__still_no_collateral__stays_paused_since_the_first_time() external {
        vm.recordLogs();
        vm.assertTrue(_recheck() == ShardStatus.PAUSED);
        vm.assertEq(vm.getRecordedLogs().length, 0);
        vm.assertEq(registry.pausesAndPlatforms(_path())[0].pausedAt, _pausedAt);
    }

    function test_recheck__resumed_and_paused_again__is_paused_since_then() external {
        assessment.tcbStatus = TcbStatus.UP_TO_DATE;
        _assertResumes();
        vm.warp(block.timestamp + 1 days);
        assessment.tcbStatus = TcbStatus.UNCHECKED;
        _assertPauses();
        vm.assertEq(registry.pausesAndPlatforms(_path())[0].pausedAt, _pausedAt + 2 days);
    }

    function test_recheck__unfit__evicts_it() external {
        assessment.tcbStatus = TcbStatus.OUT_OF_DATE;
        _assertEvicts(EvictionReason.TCB_STATUS_REFUSED);
        // pausedAt is only set while it is paused
        vm.assertEq(registry.pausesAndPlatforms(_path())[0].pausedAt, 0);
    }

    function test_recheck__expired__evicts_it() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        _assertEvicts(EvictionReason.ATTESTATION_EXPIRED);
    }

    /* LEAVING AND COMING BACK */

    function test_retire__paused__takes_it_out() external {
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardRetired(shardId, enclaveAtHand.host);
        vm.prank(enclaveAtHand.host);
        registry.retire(shardId);
        _assertInactive(ShardStatus.RETIRED);
    }

    function test_evict__paused_and_expired__takes_it_out() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardEvicted(shardId, stranger, EvictionReason.ATTESTATION_EXPIRED);
        vm.prank(stranger);
        registry.evict(shardId);
        _assertInactive(ShardStatus.EVICTED);
    }

    function test_evict__paused_and_nothing_else__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.ShardStillFit.selector, shardId));
        registry.evict(shardId);
    }

    function test_renew__paused__brings_it_back() external {
        _renew(enclaveAtHand);
        _assertActive();
        vm.assertEq(registry.shard(shardId).attestedUntil, block.timestamp + ATTESTATION_PERIOD);
    }

    function test_renew__evicted_by_a_recheck__brings_it_back() external {
        assessment.isRevoked = true;
        _assertEvicts(EvictionReason.CERTIFICATE_REVOKED);
        _renew(enclaveAtHand);
        _assertActive();
    }

    /* ITS BOND */

    function test_withdrawBond__paused__reverts() external {
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.BondInUse.selector, shardId));
        registry.withdrawBond(shardId);
    }

    function test_withdrawBond__evicted_after_a_pause__counts_from_the_eviction() external {
        assessment.tcbStatus = TcbStatus.OUT_OF_DATE;
        _assertEvicts(EvictionReason.TCB_STATUS_REFUSED);
        uint256 releasedAt = block.timestamp + UNBONDING_PERIOD;
        vm.warp(releasedAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.BondStillLocked.selector, shardId, releasedAt));
        registry.withdrawBond(shardId);
        vm.warp(releasedAt);
        registry.withdrawBond(shardId);
        vm.assertEq(token.balanceOf(registry.payoutOf(enclaveAtHand.host)), BOND);
    }

    function test_topUpBond__paused__is_taken() external {
        vm.prank(enclaveAtHand.host);
        registry.topUpBond(shardId, 1);
        vm.assertEq(registry.shard(shardId).bond, BOND + 1);
        vm.assertFalse(registry.isActive(shardId));
    }

    function test_enrol__signer_of_a_paused_shard__reverts() external {
        try this.enrolAgain() {
            revert("a paused shard's signer enrolled another");
        } catch (bytes memory reason) {
            vm.assertEq(
                reason,
                abi.encodeWithSelector(IShardRegistry.SignerAlreadyEnrolled.selector, enclaveAtHand.signer, shardId)
            );
        }
    }

    function enrolAgain() external {
        _enrol(enclaveAtHand);
    }

    function _path() private view returns (ShardId[] memory shardIds) {
        shardIds = new ShardId[](1);
        shardIds[0] = shardId;
    }
}
