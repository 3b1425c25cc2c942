// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {ShardId} from "../../../contracts/types/Identifiers.sol";
import {EvictionReason, RenewalParameters, ShardStatus} from "../../../contracts/types/Shard.sol";
import {QuoteAssessment, QuoteClaims, TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {RecheckFixture} from "./RecheckFixture.sol";

/// Given an active shard
///   when it is fit: nothing should change
///   when the claims are of another quote: it should be refused by name
///   when no collateral is in force: it should be paused, even where the verdict would be conclusive
///   when its status is refused in a stricter set only: it should be paused
///   when its status is refused in the lowest set: it should be evicted
///   when its certificate is revoked, with collateral or without: it should be evicted
///   when its platform was denied, or isn't listed where it has to be: it should be evicted
///   when its measurement was withdrawn, its attestation has expired, or its features are refused: it should be evicted
///   when several of these are found: the one that no collateral can change should be the reason
/// Given a shard that does not exist, has retired or was evicted
///   it should be refused by name
contract RecheckTest is RecheckFixture {
    /* FIT */

    function test_recheck__fit__changes_nothing() external {
        bytes memory before = abi.encode(registry.shard(shardId), registry.signerRecord(enclaveAtHand.signer));
        vm.recordLogs();
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        vm.assertEq(vm.getRecordedLogs().length, 0);
        vm.assertEq(abi.encode(registry.shard(shardId), registry.signerRecord(enclaveAtHand.signer)), before);
        vm.assertTrue(registry.isActive(shardId));
    }

    function test_recheck__last_second_of_its_attestation__is_fit() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
    }

    function test_recheck__in_a_stricter_set_and_still_fit__changes_nothing() external {
        assessment.isConclusive = false;
        _setAssessment();
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
    }

    function test_recheck__claims_of_another_quote__reverts() external {
        // any member of them: eight words
        for (uint256 i = 0; i < 8; ++i) {
            QuoteClaims memory other = _altered(claims, i);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IShardRegistry.ClaimsMismatch.selector,
                    shardId,
                    keccak256(abi.encode(claims)),
                    keccak256(abi.encode(other))
                )
            );
            registry.recheck(shardId, other);
        }
    }

    function test_recheck__claims_of_the_quote_before_its_renewal__reverts() external {
        QuoteClaims memory old = claims;
        vm.roll(block.number + 10);
        _renew(enclaveAtHand);
        claims = _claimsOf(enclaveAtHand);
        vm.expectRevert(
            abi.encodeWithSelector(
                IShardRegistry.ClaimsMismatch.selector,
                shardId,
                keccak256(abi.encode(claims)),
                keccak256(abi.encode(old))
            )
        );
        registry.recheck(shardId, old);
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
    }

    /* PAUSED */

    function test_recheck__no_collateral__pauses_it() external {
        assessment.tcbStatus = TcbStatus.UNCHECKED;
        _assertPauses();
    }

    function test_recheck__bad_status_in_a_stricter_set_only__pauses_it() external {
        assessment.isConclusive = false;
        assessment.tcbStatus = TcbStatus.REVOKED;
        _assertPauses();
    }

    /* EVICTED */

    function test_recheck__bad_status_in_the_lowest_set__evicts_it() external {
        uint256 fork = vm.snapshotState();
        for (uint8 status = 2; status <= uint8(type(TcbStatus).max); ++status) {
            assessment.tcbStatus = TcbStatus(status);
            _assertEvicts(EvictionReason.TCB_STATUS_REFUSED);
            vm.revertToState(fork);
        }
    }

    function test_recheck__status_accepted_until_the_policy_was_tightened__evicts_it() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.acceptedStatuses = 0x0006;
        _setPolicy(policy);
        assessment.tcbStatus = TcbStatus.SW_HARDENING_NEEDED;
        _setAssessment();
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        policy.acceptedStatuses = 0x0002;
        _tighten(policy);
        vm.assertTrue(registry.isActive(shardId)); // until someone rechecks or evicts it
        _assertEvicts(EvictionReason.TCB_STATUS_REFUSED);
    }

    function test_recheck__certificate_revoked__evicts_it() external {
        assessment.isRevoked = true;
        _assertEvicts(EvictionReason.CERTIFICATE_REVOKED);
    }

    function test_recheck__certificate_revoked_by_a_list_that_has_ended__evicts_it() external {
        assessment.isRevoked = true;
        (assessment.tcbStatus, assessment.isConclusive) = (TcbStatus.UNCHECKED, false);
        _assertEvicts(EvictionReason.CERTIFICATE_REVOKED);
    }

    function test_recheck__platform_denied__evicts_it() external {
        vm.prank(guardian);
        registry.denyPlatform(PLATFORM);
        vm.assertTrue(registry.isActive(shardId)); // until someone rechecks or evicts it
        _assertEvicts(EvictionReason.PLATFORM_UNWANTED);
    }

    function test_recheck__platform_not_listed_where_it_has_to_be__evicts_it() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.onlyListedPlatforms = true;
        _tighten(policy);
        uint256 fork = vm.snapshotState();
        _assertEvicts(EvictionReason.PLATFORM_UNWANTED);
        vm.revertToState(fork);
        _afterNotice(noticeGiver, address(registry), abi.encodeCall(registry.listPlatform, (modelId, PLATFORM)));
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        vm.prank(guardian);
        registry.unlistPlatform(modelId, PLATFORM);
        _assertEvicts(EvictionReason.PLATFORM_UNWANTED);
    }

    function test_recheck__measurement_withdrawn__evicts_it() external {
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        _assertEvicts(EvictionReason.MEASUREMENT_WITHDRAWN);
    }

    function test_recheck__attestation_expired__evicts_it() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD + 1);
        _assertEvicts(EvictionReason.ATTESTATION_EXPIRED);
    }

    function test_recheck__features_refused__evicts_it() external {
        _renewWithFeatures(hex"0000001000000000", hex"e702060000000000");
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        AttestationPolicy memory policy = registry.policyOf(modelId);
        uint256 fork = vm.snapshotState();
        policy.allowedXfam = hex"e700060000000000";
        _tighten(policy);
        _assertEvicts(EvictionReason.FEATURES_REFUSED);
        vm.revertToState(fork);
        policy.allowedXfam = hex"e71a060000000000";
        policy.allowedTdAttributes = hex"000000c000000080";
        _tighten(policy);
        _assertEvicts(EvictionReason.FEATURES_REFUSED);
    }

    /* SEVERAL AT ONCE */

    function test_recheck__denied_and_no_collateral__evicts_it() external {
        vm.prank(guardian);
        registry.denyPlatform(PLATFORM);
        assessment.tcbStatus = TcbStatus.UNCHECKED;
        _assertEvicts(EvictionReason.PLATFORM_UNWANTED);
    }

    function test_recheck__withdrawn_and_no_collateral__evicts_it() external {
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        assessment.tcbStatus = TcbStatus.UNCHECKED;
        _assertEvicts(EvictionReason.MEASUREMENT_WITHDRAWN);
    }

    function test_recheck__revoked_and_of_a_bad_status__names_the_certificate() external {
        (assessment.isRevoked, assessment.tcbStatus) = (true, TcbStatus.OUT_OF_DATE);
        _assertEvicts(EvictionReason.CERTIFICATE_REVOKED);
    }

    /* NOT THERE */

    function test_recheck__retired__reverts() external {
        vm.prank(enclaveAtHand.host);
        registry.retire(shardId);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ShardNotActive.selector, shardId, ShardStatus.RETIRED));
        registry.recheck(shardId, claims);
    }

    function test_recheck__evicted__reverts() external {
        assessment.isRevoked = true;
        _assertEvicts(EvictionReason.CERTIFICATE_REVOKED);
        // fit again or not, only its host's renewal brings it back
        assessment.isRevoked = false;
        _setAssessment();
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ShardNotActive.selector, shardId, ShardStatus.EVICTED));
        registry.recheck(shardId, claims);
    }

    function test_recheck__unknown__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.recheck(ShardId.wrap(9), claims);
    }

    /* HELP */

    function _altered(QuoteClaims memory original, uint256 word) private pure returns (QuoteClaims memory other) {
        other = abi.decode(abi.encode(original), (QuoteClaims));
        assembly ("memory-safe") {
            let place := add(other, mul(word, 0x20))
            mstore(place, xor(mload(place), 1))
        }
    }

    /// @dev A fresh quote which shows these features.
    function _renewWithFeatures(bytes8 tdAttributes, bytes8 xfam) private {
        RenewalParameters memory parameters = _renewalParameters(enclaveAtHand);
        VerifiedQuote memory verified = _verified(registry.shard(shardId).identityDigest, parameters.blockNumber);
        claims.td = _tdClaim(tdAttributes, xfam);
        verified.claims = claims;
        vm.prank(enclaveAtHand.host);
        registry.renew(parameters, abi.encode(verified), PCK_ID);
    }
}
