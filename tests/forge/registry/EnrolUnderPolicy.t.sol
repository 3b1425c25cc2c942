// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../../../contracts/interfaces/IModelRegistry.sol";
import {IQuoteVerifier} from "../../../contracts/interfaces/IQuoteVerifier.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {EnrolmentParameters, RenewalParameters} from "../../../contracts/types/Shard.sol";
import {TcbPolicy, TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a model's policy, and an enclave with a fresh quote
///   when the platform's status is one that the policy accepts: it should enrol
///   when it is any other: it should be refused with platform and status
///   when all its TD attributes and features are allowed ones: it should enrol
///   when any single bit is set beside them: it should be refused with both words
///   when the policy names collateral: it should be passed to the verifier
///   when it renews under a policy that became stricter: it should be refused in the same way
contract EnrolUnderPolicyTest is ShardFixture {
    uint8 private constant WORST = uint8(type(TcbStatus).max);

    Enclave private _enclaveAtHand;
    EnrolmentParameters private _given;

    function setUp() public override {
        super.setUp();
        _enclaveAtHand = _enclave("entry", 0, 2, true);
        _given = _enrolmentParameters(_enclaveAtHand);
    }

    /* STATUS */

    function test_enrol__any_status_under_the_first_policy__up_to_date_alone_enrols() external {
        for (uint8 status = 0; status <= WORST; ++status) {
            if (TcbStatus(status) != TcbStatus.UP_TO_DATE) _assertStatusRefused(TcbStatus(status));
        }
        _enrolWith(TcbStatus.UP_TO_DATE, 0, 0);
    }

    function testFuzz_enrol__any_status_under_any_policy__enrols_if_accepted(uint16 accepted, uint8 status) external {
        accepted &= 0x01fe;
        status = uint8(bounded(status, 0, WORST));
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.acceptedStatuses = accepted;
        _setPolicy(policy);
        if (accepted & (1 << status) == 0) _assertStatusRefused(TcbStatus(status));
        else _enrolWith(TcbStatus(status), 0, 0);
    }

    /* FEATURES */

    function test_enrol__all_allowed_features__enrols() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        _enrolWith(TcbStatus.UP_TO_DATE, policy.allowedTdAttributes, policy.allowedXfam);
    }

    function test_enrol__any_other_bit_of_the_td_attributes__reverts() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        for (uint256 bit = 0; bit < 64; ++bit) {
            bytes8 attributes = bytes8(uint64(1) << uint64(bit));
            if (attributes & policy.allowedTdAttributes == 0) _assertFeaturesRefused(attributes, policy.allowedXfam);
        }
    }

    function test_enrol__any_other_bit_of_the_xfam__reverts() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        for (uint256 bit = 0; bit < 64; ++bit) {
            bytes8 xfam = bytes8(uint64(1) << uint64(bit));
            if (xfam & policy.allowedXfam == 0) _assertFeaturesRefused(policy.allowedTdAttributes, xfam);
        }
    }

    /* COLLATERAL */

    function test_enrol__policy_names_collateral__asks_the_verifier_for_it() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        (policy.minimumEvaluationNumber, policy.maxCollateralAge) = (0xfe, 0x01020304);
        _tighten(policy);
        bytes memory quote = abi.encode(_verifiedNow(TcbStatus.UP_TO_DATE, 0, 0));
        TcbPolicy memory asked = TcbPolicy({minimumEvaluationNumber: 0xfe, maxCollateralAge: 0x01020304});
        vm.expectCall(address(registry.VERIFIER()), abi.encodeCall(IQuoteVerifier.verifyQuote, (quote, PCK_ID, asked)));
        _enrolWith(TcbStatus.UP_TO_DATE, 0, 0);
    }

    /* RENEWAL */

    function test_renew__policy_became_stricter__reverts() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        _enclaveAtHand = _shard("renewing", 0, 2, true);
        policy.allowedXfam = 0;
        _tighten(policy);
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified =
            _verified(registry.shard(parameters.shardId).identityDigest, parameters.blockNumber);
        verified.claims.td = _tdClaim(0, hex"e700060000000000");
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.TdFeaturesRefused.selector, bytes8(0), bytes8(hex"e700060000000000"))
        );
        registry.renew(parameters, abi.encode(verified), PCK_ID);
        verified.tcbStatus = TcbStatus.OUT_OF_DATE;
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.TcbStatusRefused.selector, PLATFORM, TcbStatus.OUT_OF_DATE)
        );
        registry.renew(parameters, abi.encode(verified), PCK_ID);
    }

    /* HELP */

    function _verifiedNow(TcbStatus status, bytes8 tdAttributes, bytes8 xfam)
        private
        view
        returns (VerifiedQuote memory verified)
    {
        verified = _verified(_identityDigest(_given, _enclaveAtHand.host), _given.blockNumber);
        (verified.tcbStatus, verified.claims.td) = (status, _tdClaim(tdAttributes, xfam));
    }

    function _enrolWith(TcbStatus status, bytes8 tdAttributes, bytes8 xfam) private {
        bytes memory quote = abi.encode(_verifiedNow(status, tdAttributes, xfam));
        bytes memory signature = _signedEnrolment(_enclaveAtHand, _given);
        vm.prank(_enclaveAtHand.host);
        vm.assertTrue(registry.isActive(registry.enrol(_given, quote, PCK_ID, signature)));
    }

    function _assertStatusRefused(TcbStatus status) private {
        _assertRefused(
            _verifiedNow(status, 0, 0),
            abi.encodeWithSelector(IModelRegistry.TcbStatusRefused.selector, PLATFORM, status)
        );
    }

    function _assertFeaturesRefused(bytes8 tdAttributes, bytes8 xfam) private {
        _assertRefused(
            _verifiedNow(TcbStatus.UP_TO_DATE, tdAttributes, xfam),
            abi.encodeWithSelector(IModelRegistry.TdFeaturesRefused.selector, tdAttributes, xfam)
        );
    }

    function _assertRefused(VerifiedQuote memory verified, bytes memory expected) private {
        bytes memory signature = _signedEnrolment(_enclaveAtHand, _given);
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(expected);
        registry.enrol(_given, abi.encode(verified), PCK_ID, signature);
    }
}
