// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../../../contracts/interfaces/IModelRegistry.sol";
import {IQuoteVerifier} from "../../../contracts/interfaces/IQuoteVerifier.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {IDcapVerifier} from "../../../contracts/interfaces/attestation/IDcapVerifier.sol";
import {EnclaveIdentity} from "../../../contracts/libraries/EnclaveIdentity.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {ShardId} from "../../../contracts/types/Identifiers.sol";
import {EnrolmentParameters, EvictionReason, ShardStatus} from "../../../contracts/types/Shard.sol";
import {QuoteClaims, TcbStatus} from "../../../contracts/types/VerifiedQuote.sol";
import {CollateralFixture} from "../attestation/collateral/CollateralFixture.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a registry that relies on the real verifier, and a simulated machine's quote of an enclave's identity
///   when the machine is up to date: the shard should be active
///   when it is out of date, or the verifier has no collateral: it should be refused by name
/// Given a shard on that machine
///   when collateral is stale: it should be paused, and resumed once fresh collateral is uploaded
///   when it is out of date only by an early set: nothing should change, not even when the standard set has expired
///   when the policy requires the early set: it should be evicted
///   when its certificate is revoked: it should be evicted, and stay evicted when the list has expired
contract DcapShardsTest is ShardFixture, CollateralFixture {
    Enclave private _enclaveAtHand;
    QuoteClaims private _claimsAtHand;

    function setUp() public override(ShardFixture, CollateralFixture) {
        CollateralFixture.setUp();
        ShardFixture.setUp();
        bytes memory call = abi.encodeCall(registry.allowMeasurement, (modelId, _word(FIRST, "measurement")));
        _afterNotice(noticeGiver, address(registry), call);
        _enclaveAtHand = _enclave("entry", 0, 2, true);
    }

    function _startsAt() internal view override returns (uint256) {
        return simulatedAt;
    }

    function _verifier() internal view override returns (IQuoteVerifier) {
        return dcap;
    }

    /* ENROLMENT */

    function test_enrol__up_to_date_machine__is_active() external {
        ShardId shardId = _enrolNow();
        vm.assertTrue(registry.isActive(shardId));
        vm.assertEq(registry.shard(shardId).quoteHash, keccak256(abi.encode(_claimsAtHand)));
        vm.assertEq(registry.measurementOf(shardId), _word(FIRST, "measurement"));
        // collateral expires long before; that only pauses
        vm.assertEq(registry.shard(shardId).attestedUntil, block.timestamp + ATTESTATION_PERIOD);
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
    }

    function test_enrol__out_of_date_machine__reverts() external {
        bytes memory info = _issued(tcbInfo, "2026-01-14T12:00:01Z");
        info = _edited(info, '"UpToDate"}]}],', '"OutOfDate"}]}],');
        dcap.updateTcbInfo(info, _signed(info), signerId);
        bytes memory expected = abi.encodeWithSelector(
            IModelRegistry.TcbStatusRefused.selector, _word(FIRST, "platformId"), TcbStatus.OUT_OF_DATE
        );
        _assertRefused(expected);
        // the model's policy accepts it
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.acceptedStatuses |= uint16(1 << uint8(TcbStatus.OUT_OF_DATE));
        _setPolicy(policy);
        vm.assertTrue(registry.isActive(_enrolNow()));
    }

    function test_enrol__no_collateral__reverts() external {
        vm.warp(ENDS_AT);
        _assertRefused(abi.encodeWithSelector(IDcapVerifier.CollateralMissing.selector, bytes6("SIMTDX"), 0));
    }

    /* STALE */

    function test_recheck__stale_collateral__pauses_until_it_is_refreshed() external {
        ShardId shardId = _enrolNow();
        vm.warp(ENDS_AT - 1);
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        vm.warp(ENDS_AT);
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardPaused(shardId, stranger);
        vm.assertTrue(_recheck() == ShardStatus.PAUSED);
        _refresh();
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardResumed(shardId, stranger);
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        vm.assertTrue(registry.isActive(shardId));
    }

    /* EARLY */

    function test_recheck__early_set_puts_it_out_of_date__changes_nothing() external {
        _enrolNow();
        _uploadEarly();
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
        dcap.updatePckCrl(_crl(false, ISSUED_AT + 1, ENDS_AT + 30 days, _noSerials()), authorityId);
        vm.warp(ENDS_AT + 1);
        // the standard set, which would decide, has expired
        vm.assertTrue(_recheck() == ShardStatus.PAUSED);
        _refresh();
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
    }

    function test_recheck__policy_asks_for_the_early_set__evicts_it() external {
        ShardId shardId = _enrolNow();
        _uploadEarly();
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.minimumEvaluationNumber = 21;
        _tighten(policy);
        _assertEvicts(shardId, EvictionReason.TCB_STATUS_REFUSED);
    }

    /* REVOKED */

    function test_recheck__certificate_revoked__evicts_it() external {
        ShardId shardId = _enrolNow();
        uint256 serial = store.pckCertificate(firstPck).serial;
        dcap.updatePckCrl(_crl(false, ISSUED_AT + 1, ENDS_AT, _serials(serial)), authorityId);
        uint256 fork = vm.snapshotState();
        _assertEvicts(shardId, EvictionReason.CERTIFICATE_REVOKED);
        vm.revertToState(fork);
        vm.warp(ENDS_AT + 1 days);
        _assertEvicts(shardId, EvictionReason.CERTIFICATE_REVOKED);
        _refresh();
        vm.assertTrue(registry.shard(shardId).status == ShardStatus.EVICTED);
    }

    /* HELP */

    function _recheck() private returns (ShardStatus) {
        vm.prank(stranger);
        return registry.recheck(_enclaveAtHand.shardId, _claimsAtHand);
    }

    function _assertEvicts(ShardId shardId, EvictionReason reason) private {
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardEvicted(shardId, stranger, reason);
        vm.assertTrue(_recheck() == ShardStatus.EVICTED);
    }

    /// @dev The first machine's quote, of this identity and the block before.
    function _coreOf(EnrolmentParameters memory parameters) private view returns (bytes memory) {
        bytes32 reportData = EnclaveIdentity.reportData(
            _identityDigest(parameters, _enclaveAtHand.host), parameters.blockNumber, blockhash(parameters.blockNumber)
        );
        return _signedAgain(_replaced(firstCore, 568, abi.encodePacked(reportData, bytes32(0))), FIRST);
    }

    function _enrolNow() private returns (ShardId shardId) {
        EnrolmentParameters memory parameters = _enrolmentParameters(_enclaveAtHand);
        bytes memory core = _coreOf(parameters);
        _claimsAtHand = _claimsOf(core, firstPck);
        bytes memory signature = _signedEnrolment(_enclaveAtHand, parameters);
        vm.prank(_enclaveAtHand.host);
        shardId = registry.enrol(parameters, core, firstPck, signature);
        _enclaveAtHand.shardId = shardId;
    }

    function _assertRefused(bytes memory expected) private {
        EnrolmentParameters memory parameters = _enrolmentParameters(_enclaveAtHand);
        bytes memory core = _coreOf(parameters);
        bytes memory signature = _signedEnrolment(_enclaveAtHand, parameters);
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(expected);
        registry.enrol(parameters, core, firstPck, signature);
    }

    /// @dev All but the root CRL, from the end of the first set on.
    function _refresh() private {
        bytes memory info = _edited(_issued(tcbInfo, "2026-02-13T00:00:00Z"), bytes(ENDS), "2026-03-13T12:00:00Z");
        bytes memory identity =
            _edited(_issued(qeIdentity, "2026-02-13T00:00:00Z"), bytes(ENDS), "2026-03-13T12:00:00Z");
        dcap.updateTcbInfo(info, _signed(info), signerId);
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        dcap.updatePckCrl(_crl(false, ENDS_AT, ENDS_AT + 30 days, _noSerials()), authorityId);
    }

    /// @dev By which the machine's PCE, of version 11, is out of date.
    function _uploadEarly() private {
        uint256 place = _find(tcbInfo, '{"tcb":{"sgxtcbcomponents"');
        bytes memory level = _slice(tcbInfo, place, tcbInfo.length - 2);
        bytes memory levels = bytes.concat(
            _edited(level, '"pcesvn":11', '"pcesvn":12'), ",", _edited(level, '"UpToDate"', '"OutOfDate"')
        );
        bytes memory info = _edited(_ofNumber(tcbInfo, "21"), level, levels);
        info = _edited(info, bytes(ENDS), "2026-03-13T12:00:00Z");
        bytes memory identity = _edited(_ofNumber(qeIdentity, "21"), bytes(ENDS), "2026-03-13T12:00:00Z");
        dcap.updateTcbInfo(info, _signed(info), signerId);
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
    }
}
