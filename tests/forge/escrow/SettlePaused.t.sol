// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {AcceptingVerifier} from "../../../contracts/mocks/AcceptingVerifier.sol";
import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {RequestStatus} from "../../../contracts/types/Request.sol";
import {SettlementParameters} from "../../../contracts/types/Settlement.sol";
import {QuoteAssessment, QuoteClaims, TcbStatus} from "../../../contracts/types/VerifiedQuote.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
import {Enclave} from "../fixtures/ShardFixture.sol";

/// Given a stage whose collateral went stale
///   when it was paused after the request was opened, or in the same second: it should be paid as usual
///   when it was paused a second before: it should be refused by name, with the stage
///   when it was resumed meanwhile: it should be paid, whenever the request was opened
///   when it was paused again after that: the last pause should count
///   when it is evicted, retired or expired besides: it should be refused as inactive
///   when the primary was paused before and another recipient answers: the path should be paid
contract SettlePausedTest is RequestFixture {
    uint256 private _openedAt;
    RequestId private _requestId;
    QuoteClaims[2] private _claimsOfPath;

    function setUp() public override {
        super.setUp();
        (_claimsOfPath[0], _claimsOfPath[1]) = (_claimsOf(entry), _claimsOf(last));
        _openedAt = block.timestamp;
        _requestId = _open();
    }

    /* PAUSED AFTER THE REQUEST */

    function test_settle__middle_stage_paused_later__pays_as_usual() external {
        vm.warp(_openedAt + 1);
        _pause(last);
        _assertPaysAsUsual();
    }

    function test_settle__entry_paused_later__pays_as_usual() external {
        vm.warp(_openedAt + 1);
        _pause(entry);
        _assertPaysAsUsual();
    }

    function test_settle__whole_path_paused_later__pays_as_usual() external {
        vm.warp(_openedAt + WINDOW);
        _pause(entry);
        _pause(last);
        _assertPaysAsUsual();
    }

    function test_settle__paused_in_the_same_second__pays_as_usual() external {
        _pause(last);
        _assertPaysAsUsual();
    }

    function test_settleBatch__paused_later__pays() external {
        vm.warp(_openedAt + 1);
        _pause(last);
        SettlementParameters[] memory batch = new SettlementParameters[](1);
        batch[0] = _settlement(_requestId);
        escrow.settleBatch(batch);
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.SETTLED);
    }

    /* PAUSED BEFORE THE REQUEST */

    function test_settle__middle_stage_paused_a_second_before__reverts() external {
        _pause(last);
        vm.warp(_openedAt + 1);
        _requestId = _open();
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.StagePaused.selector, _requestId, 1, last.shardId));
    }

    function test_settle__resumed_meanwhile__pays_whenever_it_was_asked() external {
        _pause(last);
        vm.warp(_openedAt + 1);
        _requestId = _open();
        _resume(last);
        _assertPaysAsUsual();
    }

    function test_settle__paused_again__counts_from_the_last_time() external {
        _pause(last);
        vm.warp(_openedAt + 1);
        _requestId = _open();
        vm.warp(_openedAt + 2);
        _resume(last);
        _pause(last);
        _assertPaysAsUsual();
        vm.warp(_openedAt + 3);
        _requestId = _open();
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.StagePaused.selector, _requestId, 1, last.shardId));
    }

    /* OUT BESIDES */

    function test_settle__paused_later_and_evicted__reverts() external {
        vm.warp(_openedAt + 1);
        _pause(last);
        _setAssessment(QuoteAssessment(PLATFORM, TcbStatus.OUT_OF_DATE, 20, true, false, 0, 0));
        _recheck(last);
        _assertInactive();
    }

    function test_settle__paused_later_and_retired__reverts() external {
        vm.warp(_openedAt + 1);
        _pause(last);
        vm.prank(last.host);
        registry.retire(last.shardId);
        _assertInactive();
    }

    function test_settle__paused_later_and_expired__reverts() external {
        vm.warp(_openedAt + ATTESTATION_PERIOD - 1);
        _requestId = _open();
        _pause(last);
        vm.warp(block.timestamp + 1);
        vm.roll(block.number + 100);
        _renew(entry);
        uint256 fork = vm.snapshotState();
        escrow.settle(_settlement(_requestId)); // its last second
        vm.revertToState(fork);
        vm.warp(block.timestamp + 1);
        _assertInactive();
    }

    /* ANOTHER RECIPIENT */

    function test_settle__primary_paused_and_taken_over__pays_the_other_path() external {
        Enclave memory second = _shard("second entry", 0, 2, true);
        vm.prank(requester);
        RequestId requestId = escrow.request(_withRecipients(entry.shardId, second.shardId));
        _pause(entry);
        escrow.settle(_settlement(requestId, _pathOf(second, last), INPUT_TOKENS, OUTPUT_TOKENS));
        vm.assertGt(_creditOf(second.host), 0);
        vm.assertEq(_creditOf(entry.host), 0);
    }

    /* HELP */

    function _pause(Enclave memory enclave) private {
        _setAssessment(QuoteAssessment(PLATFORM, TcbStatus.UNCHECKED, 0, false, false, 0, 0));
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardPaused(enclave.shardId, address(this));
        _recheck(enclave);
    }

    function _resume(Enclave memory enclave) private {
        _setAssessment(QuoteAssessment(PLATFORM, TcbStatus.UP_TO_DATE, 20, true, false, 0, 0));
        _recheck(enclave);
        vm.assertTrue(registry.isActive(enclave.shardId));
    }

    function _recheck(Enclave memory enclave) private {
        registry.recheck(enclave.shardId, _claimsOfPath[enclave.shardId == entry.shardId ? 0 : 1]);
    }

    function _setAssessment(QuoteAssessment memory assessment) private {
        AcceptingVerifier(address(registry.VERIFIER())).setAssessment(assessment);
    }

    /// @dev The same shares as for a path without pauses.
    function _assertPaysAsUsual() private {
        uint256[2] memory before = [_creditOf(entry.host), _creditOf(last.host)];
        escrow.settle(_settlement(_requestId));
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.SETTLED);
        uint256 cost = uint256(INPUT_TOKENS) * INPUT_PRICE + uint256(OUTPUT_TOKENS) * OUTPUT_PRICE;
        uint256 pool = cost - cost * FEE_BPS / 10_000 - cost * ROYALTY_BPS / 10_000;
        vm.assertEq(_creditOf(entry.host) - before[0], pool * 4 / 8); // 2 layers, and 2 for being the entry
        vm.assertEq(_creditOf(last.host) - before[1], pool * 4 / 8);
    }

    function _assertInactive() private {
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.StageInactive.selector, _requestId, 1, last.shardId));
    }

    function _assertRefused(bytes memory expected) private {
        SettlementParameters memory parameters = _settlement(_requestId);
        vm.expectRevert(expected);
        escrow.settle(parameters);
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.OPEN);
    }
}
