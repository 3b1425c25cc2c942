// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {ModelId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {EnrolmentParameters} from "../../../contracts/types/Shard.sol";
import {TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a model whose policy can become stricter and looser in every field
///   when the guardian makes any one field stricter: it should take effect immediately and be published
///   when all fields but one become stricter, and that one looser: it should be refused by name
///   when nothing changes: it should be refused by name
///   when there was no maximum age: any should be stricter
///   when it accepts what no policy can, or names a number that doesn't exist: it should be refused by name
///   when the model is unknown: it should be refused by name
/// Given any two policies of which the second was accepted as a tightening of the first
///   it should admit only what the first admits
contract TightenPolicyTest is ShardFixture {
    uint256 private constant POINTS = 8;

    function test_tightenPolicy__more_in_any_one_point__holds_at_once() external {
        for (uint256 point = 0; point < POINTS; ++point) {
            _setPolicy(_middle());
            AttestationPolicy memory policy = _middle();
            _stricter(policy, point);
            vm.expectEmit(address(registry));
            emit IModelAdministration.PolicySet(modelId, policy);
            _tighten(policy);
            vm.assertEq(abi.encode(registry.policyOf(modelId)), abi.encode(policy));
            vm.assertEq(registry.termsOf(modelId).minHosts, policy.minHosts);
            vm.assertEq(registry.termsOf(modelId).minPlatforms, policy.minPlatforms);
        }
    }

    function test_tightenPolicy__less_in_any_one_point__reverts() external {
        _setPolicy(_middle());
        for (uint256 point = 0; point < POINTS; ++point) {
            AttestationPolicy memory policy = _middle();
            for (uint256 other = 0; other < POINTS; ++other) {
                if (other != point) _stricter(policy, other);
            }
            _looser(policy, point);
            _assertNotATightening(policy);
        }
    }

    function test_tightenPolicy__no_age_where_one_was_asked_for__reverts() external {
        _setPolicy(_middle());
        AttestationPolicy memory policy = _middle();
        _stricter(policy, 0);
        policy.maxCollateralAge = 0;
        _assertNotATightening(policy);
    }

    function test_tightenPolicy__an_age_where_none_was_asked_for__holds() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        vm.assertEq(policy.maxCollateralAge, 0);
        policy.maxCollateralAge = type(uint32).max;
        _tighten(policy);
        vm.assertEq(registry.policyOf(modelId).maxCollateralAge, type(uint32).max);
    }

    function test_tightenPolicy__the_same__reverts() external {
        _assertNotATightening(registry.policyOf(modelId));
        _setPolicy(_middle());
        _assertNotATightening(_middle());
    }

    function test_tightenPolicy__one_status_for_another__reverts() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.acceptedStatuses = 0x0004;
        _assertNotATightening(policy);
    }

    function test_tightenPolicy__no_status_at_all__holds() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.acceptedStatuses = 0;
        _tighten(policy);
        vm.assertEq(registry.policyOf(modelId).acceptedStatuses, 0);
    }

    function test_tightenPolicy__a_status_that_cannot_be_accepted__reverts() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.minHosts = 2;
        for (uint256 bit = 0; bit < 16; ++bit) {
            policy.acceptedStatuses = uint16(0x0002 | (1 << bit));
            if (bit != 1) _assertNotATightening(policy); // no policy accepts it, so this one is looser
        }
    }

    function test_tightenPolicy__an_evaluation_number_above_255__reverts() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.minimumEvaluationNumber = 256;
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IModelAdministration.PolicyInvalid.selector, policy.acceptedStatuses, 256)
        );
        registry.tightenPolicy(modelId, policy);
        policy.minimumEvaluationNumber = 255;
        _tighten(policy);
        vm.assertEq(registry.policyOf(modelId).minimumEvaluationNumber, 255);
    }

    function test_tightenPolicy__unknown_model__reverts() external {
        modelId = ModelId.wrap(9);
        AttestationPolicy memory policy;
        policy.minHosts = 1;
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9));
        registry.tightenPolicy(modelId, policy);
    }

    /* WHAT IT LETS IN */

    /// @dev `derived` makes a tightening of any candidate; without it, few are any. The features are some of those
    /// which the second allows: any others hardly ever fit.
    function testFuzz_tightenPolicy__taken__lets_in_a_subset(
        AttestationPolicy memory first,
        AttestationPolicy memory second,
        bool derived,
        uint8 status,
        bytes8[2] memory features
    ) external {
        _clamp(first);
        _clamp(second);
        if (derived) _makeStricter(first, second);
        features[0] &= second.allowedTdAttributes;
        features[1] &= second.allowedXfam;
        _setPolicy(first);
        vm.prank(guardian);
        try registry.tightenPolicy(modelId, second) {}
        catch {
            vm.assertTrue(!derived || keccak256(abi.encode(first)) == keccak256(abi.encode(second)));
            return;
        }
        uint256 tightened = vm.snapshotState();
        TcbStatus found = TcbStatus(bounded(status, 0, uint8(type(TcbStatus).max)));
        bool isIn = _isAdmitted(found, features);
        vm.revertToState(tightened);
        _setPolicy(first);
        vm.assertTrue(!isIn || _isAdmitted(found, features), "the first lets in what the second lets in");
        vm.assertGe(second.minimumEvaluationNumber, first.minimumEvaluationNumber);
        vm.assertTrue(
            first.maxCollateralAge == 0
                || (second.maxCollateralAge != 0 && second.maxCollateralAge <= first.maxCollateralAge)
        );
        vm.assertTrue(second.minHosts >= first.minHosts && second.minPlatforms >= first.minPlatforms);
    }

    function _isAdmitted(TcbStatus status, bytes8[2] memory features) private returns (bool success) {
        Enclave memory enclave = _enclave("entry", 0, 2, true);
        EnrolmentParameters memory parameters = _enrolmentParameters(enclave);
        VerifiedQuote memory verified = _verified(_identityDigest(parameters, enclave.host), parameters.blockNumber);
        (verified.tcbStatus, verified.claims.td) = (status, _tdClaim(features[0], features[1]));
        bytes memory signature = _signedEnrolment(enclave, parameters);
        vm.prank(enclave.host);
        try registry.enrol(parameters, abi.encode(verified), PCK_ID, signature) returns (ShardId) {
            return true;
        } catch {
            return false;
        }
    }

    function _clamp(AttestationPolicy memory policy) private pure {
        policy.acceptedStatuses &= 0x01fe;
        policy.minimumEvaluationNumber &= 0x00ff;
    }

    function _makeStricter(AttestationPolicy memory first, AttestationPolicy memory second) private pure {
        second.acceptedStatuses &= first.acceptedStatuses;
        second.allowedTdAttributes &= first.allowedTdAttributes;
        second.allowedXfam &= first.allowedXfam;
        second.onlyListedPlatforms = second.onlyListedPlatforms || first.onlyListedPlatforms;
        second.minimumEvaluationNumber |= first.minimumEvaluationNumber;
        second.minHosts |= first.minHosts;
        second.minPlatforms |= first.minPlatforms;
        if (first.maxCollateralAge == 0) return;
        second.maxCollateralAge = uint32(bounded(second.maxCollateralAge, 1, first.maxCollateralAge));
    }

    /* POINTS */

    /// @dev A policy that can become stricter and looser in every field.
    function _middle() private pure returns (AttestationPolicy memory) {
        return AttestationPolicy({
            acceptedStatuses: 0x0006,
            minimumEvaluationNumber: 18,
            maxCollateralAge: 20 days,
            allowedTdAttributes: hex"000000d000000000",
            allowedXfam: hex"e702060000000000",
            onlyListedPlatforms: false,
            minHosts: 3,
            minPlatforms: 3
        });
    }

    function _stricter(AttestationPolicy memory policy, uint256 point) private pure {
        if (point == 0) policy.acceptedStatuses = 0x0002;
        if (point == 1) policy.minimumEvaluationNumber = 19;
        if (point == 2) policy.maxCollateralAge = 20 days - 1;
        if (point == 3) policy.allowedTdAttributes = hex"0000005000000000";
        if (point == 4) policy.allowedXfam = hex"e700060000000000";
        if (point == 5) policy.onlyListedPlatforms = true;
        if (point == 6) policy.minHosts = 4;
        if (point == 7) policy.minPlatforms = 4;
    }

    /// @dev Of a policy whose other fields are stricter. Listing is required first, so that it can be dropped here.
    function _looser(AttestationPolicy memory policy, uint256 point) private {
        if (point == 0) policy.acceptedStatuses = 0x000a;
        if (point == 1) policy.minimumEvaluationNumber = 17;
        if (point == 2) policy.maxCollateralAge = 20 days + 1;
        if (point == 3) policy.allowedTdAttributes = hex"0000005000000080";
        if (point == 4) policy.allowedXfam = hex"e708060000000000";
        if (point == 5) _setPolicy(_middleOfListed());
        if (point == 6) policy.minHosts = 2;
        if (point == 7) policy.minPlatforms = 2;
    }

    function _middleOfListed() private pure returns (AttestationPolicy memory policy) {
        policy = _middle();
        policy.onlyListedPlatforms = true;
    }

    function _assertNotATightening(AttestationPolicy memory policy) private {
        bytes memory before = abi.encode(registry.policyOf(modelId));
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.NotATightening.selector, modelId));
        registry.tightenPolicy(modelId, policy);
        vm.assertEq(abi.encode(registry.policyOf(modelId)), before);
    }
}
