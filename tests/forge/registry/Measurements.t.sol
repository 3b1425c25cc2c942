// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {ModelId} from "../../../contracts/types/Identifiers.sol";
import {ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a published model
///   when a measurement is added: it should require notice
///   when one is withdrawn: it should take effect immediately, and it can be allowed again after notice
contract MeasurementsTest is ShardFixture {
    bytes32 private constant OTHER = keccak256("other image");

    function test_allowMeasurement__after_notice__allows_it() external {
        vm.assertFalse(registry.isMeasurementAllowed(modelId, OTHER));
        _allow(OTHER);
        vm.assertTrue(registry.isMeasurementAllowed(modelId, OTHER));
    }

    function test_allowMeasurement__cancelled_by_guardian__stays_out() external {
        bytes memory call = abi.encodeCall(registry.allowMeasurement, (modelId, OTHER));
        vm.prank(noticeGiver);
        (bytes32 operation,) = manager.schedule(address(registry), call, 0);
        vm.prank(guardian);
        manager.cancel(noticeGiver, address(registry), call);
        vm.warp(block.timestamp + NOTICE_DELAY);
        vm.prank(noticeGiver);
        vm.expectRevert(abi.encodeWithSignature("AccessManagerNotScheduled(bytes32)", operation));
        manager.execute(address(registry), call);
    }

    function test_allowMeasurement__already_allowed__reverts() external {
        _assertRefusedAfterNotice(
            abi.encodeCall(registry.allowMeasurement, (modelId, MEASUREMENT)),
            abi.encodeWithSelector(IModelAdministration.MeasurementAlreadyAllowed.selector, modelId, MEASUREMENT)
        );
    }

    function test_allowMeasurement__unknown_model__reverts() external {
        _assertRefusedAfterNotice(
            abi.encodeCall(registry.allowMeasurement, (ModelId.wrap(9), OTHER)),
            abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9)
        );
    }

    function test_withdrawMeasurement__allowed__ends_it_at_once() external {
        vm.expectEmit(address(registry));
        emit IModelAdministration.MeasurementWithdrawn(modelId, MEASUREMENT);
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        vm.assertFalse(registry.isMeasurementAllowed(modelId, MEASUREMENT));
        _allow(MEASUREMENT);
        vm.assertTrue(registry.isMeasurementAllowed(modelId, MEASUREMENT));
    }

    function test_withdrawMeasurement__never_allowed__reverts() external {
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.MeasurementNotAllowed.selector, modelId, OTHER));
        registry.withdrawMeasurement(modelId, OTHER);
    }

    function _allow(bytes32 measurement) private {
        _afterNotice(noticeGiver, address(registry), abi.encodeCall(registry.allowMeasurement, (modelId, measurement)));
    }

    function _assertRefusedAfterNotice(bytes memory call, bytes memory expected) private {
        vm.prank(noticeGiver);
        manager.schedule(address(registry), call, 0);
        vm.warp(vm.getBlockTimestamp() + NOTICE_DELAY);
        vm.prank(noticeGiver);
        vm.expectRevert(expected);
        manager.execute(address(registry), call);
    }
}
