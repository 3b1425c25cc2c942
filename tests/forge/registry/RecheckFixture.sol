// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {AcceptingVerifier} from "../../../contracts/mocks/AcceptingVerifier.sol";
import {ShardId} from "../../../contracts/types/Identifiers.sol";
import {EvictionReason, ShardStatus} from "../../../contracts/types/Shard.sol";
import {QuoteAssessment, QuoteClaims, TcbStatus} from "../../../contracts/types/VerifiedQuote.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// @notice An active shard, and a verifier whose assessment of its quote a test sets; initially, that it is fit.
abstract contract RecheckFixture is ShardFixture {
    Enclave internal enclaveAtHand;
    ShardId internal shardId;
    QuoteClaims internal claims;
    QuoteAssessment internal assessment;

    function setUp() public virtual override {
        super.setUp();
        enclaveAtHand = _shard("entry", 0, 2, true);
        shardId = enclaveAtHand.shardId;
        claims = _claimsOf(enclaveAtHand);
        assessment.platformId = PLATFORM;
        assessment.tcbStatus = TcbStatus.UP_TO_DATE;
        assessment.evaluationNumber = 20;
        assessment.isConclusive = true;
        assessment.validUntil = uint40(block.timestamp + 10 days);
        assessment.certifiedUntil = uint40(block.timestamp + 1000 days);
        _setAssessment();
    }

    /// @dev Sets the verifier's assessment.
    function _setAssessment() internal {
        AcceptingVerifier(address(registry.VERIFIER())).setAssessment(assessment);
    }

    function _recheck() internal returns (ShardStatus) {
        vm.prank(stranger);
        return registry.recheck(shardId, claims);
    }

    function _assertPauses() internal {
        _setAssessment();
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardPaused(shardId, stranger);
        vm.assertTrue(_recheck() == ShardStatus.PAUSED);
        _assertInactive(ShardStatus.PAUSED);
    }

    function _assertResumes() internal {
        _setAssessment();
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardResumed(shardId, stranger);
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        _assertActive();
    }

    function _assertEvicts(EvictionReason reason) internal {
        _setAssessment();
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardEvicted(shardId, stranger, reason);
        vm.assertTrue(_recheck() == ShardStatus.EVICTED);
        _assertInactive(ShardStatus.EVICTED);
    }

    function _assertActive() internal view {
        vm.assertTrue(registry.shard(shardId).status == ShardStatus.ACTIVE);
        vm.assertTrue(registry.isActive(shardId));
        vm.assertEq(registry.signerRecord(enclaveAtHand.signer).leftAt, 0);
    }

    function _assertInactive(ShardStatus status) internal view {
        vm.assertTrue(registry.shard(shardId).status == status);
        vm.assertFalse(registry.isActive(shardId));
        vm.assertFalse(registry.stage(shardId).isAttested);
        vm.assertEq(registry.stage(shardId).isPaused, status == ShardStatus.PAUSED);
        vm.assertEq(registry.signerRecord(enclaveAtHand.signer).leftAt, vm.getBlockTimestamp());
    }
}
