// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {ModelId} from "../../../contracts/types/Identifiers.sol";
import {Model, ModelTerms} from "../../../contracts/types/Model.sol";
import {ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a model that was just published
///   it should accept up-to-date platforms alone, with common features, and any path
/// Given a notice giver
///   when a policy was scheduled and its notice period is over: it should hold, for that model alone, and be published
///   when it names hosts and platforms of a path: settlements should read them, beside the other terms
///   when it accepts every status that can be accepted, or the highest evaluation number: it should hold
///   when it accepts another status, or names a higher number: it should be refused by name
///   when the model is unknown: it should be refused by name
contract SetPolicyTest is ShardFixture {
    function test_policyOf__newly_published__accepts_up_to_date_platforms_alone() external view {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        vm.assertEq(policy.acceptedStatuses, 0x0002); // bit 1: UP_TO_DATE
        vm.assertEq(policy.minimumEvaluationNumber, 0);
        vm.assertEq(policy.maxCollateralAge, 0);
        // SEPT_VE_DISABLE, protection keys, key locker, performance counters
        vm.assertEq(bytes32(policy.allowedTdAttributes), bytes32(hex"000000d000000080"));
        // x87, SSE, AVX, AVX-512, protection keys, CET, AMX
        vm.assertEq(bytes32(policy.allowedXfam), bytes32(hex"e71a060000000000"));
        vm.assertFalse(policy.onlyListedPlatforms);
        vm.assertEq(policy.minHosts, 0);
        vm.assertEq(policy.minPlatforms, 0);
    }

    function test_setPolicy__after_notice__holds_and_is_announced() external {
        AttestationPolicy memory policy = _other();
        bytes memory call = abi.encodeCall(registry.setPolicy, (modelId, policy));
        _schedule(call);
        vm.assertTrue(_differs(policy)); // until then
        vm.expectEmit(address(registry));
        emit IModelAdministration.PolicySet(modelId, policy);
        vm.prank(noticeGiver);
        manager.execute(address(registry), call);
        vm.assertFalse(_differs(policy));
    }

    function test_setPolicy__asks_for_less_than_the_present_one__holds() external {
        _setPolicy(_other());
        AttestationPolicy memory nothing;
        nothing.acceptedStatuses = 0x01fe;
        (nothing.allowedTdAttributes, nothing.allowedXfam) = (~bytes8(0), ~bytes8(0));
        _setPolicy(nothing);
        vm.assertFalse(_differs(nothing));
    }

    function test_setPolicy__of_one_model__leaves_others_alone() external {
        ModelId first = modelId;
        bytes memory before = abi.encode(registry.policyOf(first));
        modelId = _publish();
        _setPolicy(_other());
        vm.assertEq(abi.encode(registry.policyOf(first)), before);
        vm.assertEq(registry.termsOf(first).minHosts, 0);
    }

    function test_setPolicy__hosts_and_platforms_of_a_path__are_where_settlements_read() external {
        ModelTerms memory expected = registry.termsOf(modelId);
        _setPolicy(_other());
        (expected.minHosts, expected.minPlatforms) = (3, 2);
        vm.assertEq(abi.encode(registry.termsOf(modelId)), abi.encode(expected));
        Model memory stored = registry.model(modelId);
        vm.assertTrue(stored.minHosts == 3 && stored.minPlatforms == 2);
    }

    /* BOUNDS */

    function test_setPolicy__every_status_that_can_be_accepted__holds() external {
        AttestationPolicy memory policy = _other();
        policy.acceptedStatuses = 0x01fe;
        policy.minimumEvaluationNumber = 255;
        _setPolicy(policy);
        vm.assertFalse(_differs(policy));
    }

    function test_setPolicy__a_status_that_cannot_be_accepted__reverts() external {
        // UNCHECKED, REVOKED, NOT_SUPPORTED, and bits of no status
        uint16[5] memory statuses = [uint16(1 << 0), 1 << 9, 1 << 10, 1 << 11, 1 << 15];
        for (uint256 i = 0; i < statuses.length; ++i) {
            AttestationPolicy memory policy = _other();
            policy.acceptedStatuses = 0x0002 | statuses[i];
            _assertInvalid(policy);
        }
    }

    function test_setPolicy__an_evaluation_number_above_255__reverts() external {
        AttestationPolicy memory policy = _other();
        policy.minimumEvaluationNumber = 256;
        _assertInvalid(policy);
        policy.minimumEvaluationNumber = type(uint16).max;
        _assertInvalid(policy);
    }

    function test_setPolicy__unknown_model__reverts() external {
        _assertRefused(
            abi.encodeCall(registry.setPolicy, (ModelId.wrap(9), _other())),
            abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9)
        );
    }

    /* HELP */

    /// @dev Differs from the initial policy in every field.
    function _other() private pure returns (AttestationPolicy memory) {
        return AttestationPolicy({
            acceptedStatuses: 0x0006,
            minimumEvaluationNumber: 18,
            maxCollateralAge: 20 days,
            allowedTdAttributes: hex"0000001000000000",
            allowedXfam: hex"e702060000000000",
            onlyListedPlatforms: true,
            minHosts: 3,
            minPlatforms: 2
        });
    }

    function _differs(AttestationPolicy memory policy) private view returns (bool) {
        return keccak256(abi.encode(registry.policyOf(modelId))) != keccak256(abi.encode(policy));
    }

    function _schedule(bytes memory call) private {
        vm.prank(noticeGiver);
        manager.schedule(address(registry), call, 0);
        vm.warp(vm.getBlockTimestamp() + NOTICE_DELAY);
    }

    function _assertInvalid(AttestationPolicy memory policy) private {
        _assertRefused(
            abi.encodeCall(registry.setPolicy, (modelId, policy)),
            abi.encodeWithSelector(
                IModelAdministration.PolicyInvalid.selector, policy.acceptedStatuses, policy.minimumEvaluationNumber
            )
        );
        vm.assertTrue(_differs(policy));
    }

    function _assertRefused(bytes memory call, bytes memory expected) private {
        _schedule(call);
        vm.prank(noticeGiver);
        vm.expectRevert(expected);
        manager.execute(address(registry), call);
    }
}
