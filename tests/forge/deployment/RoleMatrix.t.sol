// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {AccessRoles} from "../../../contracts/libraries/AccessRoles.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given every restricted function and every holder of a role
///   when the function's role calls: it should be allowed at once, or after the role's notice period
///   when any other calls: it should be refused
/// Given everything that keeps the promise to requesters and hosts
///   it should require no role
contract RoleMatrixTest is RequestFixture {
    struct Row {
        address target;
        bytes4 selector;
        uint64 role;
    }

    function _matrix() private view returns (Row[] memory rows) {
        rows = new Row[](14);
        rows[0] = Row(address(registry), IModelAdministration.publishModel.selector, AccessRoles.PUBLISHER);
        rows[1] = Row(address(registry), IModelAdministration.lowerPrices.selector, AccessRoles.PUBLISHER);
        rows[2] = Row(address(registry), IModelAdministration.allowMeasurement.selector, AccessRoles.NOTICE_GIVER);
        rows[3] = Row(address(registry), IModelAdministration.raisePrices.selector, AccessRoles.NOTICE_GIVER);
        rows[4] = Row(address(registry), IModelAdministration.readmitPlatform.selector, AccessRoles.NOTICE_GIVER);
        rows[5] = Row(address(registry), IModelAdministration.withdrawMeasurement.selector, AccessRoles.GUARDIAN);
        rows[6] = Row(address(registry), IModelAdministration.denyPlatform.selector, AccessRoles.GUARDIAN);
        rows[10] = Row(address(registry), IModelAdministration.setPolicy.selector, AccessRoles.NOTICE_GIVER);
        rows[11] = Row(address(registry), IModelAdministration.listPlatform.selector, AccessRoles.NOTICE_GIVER);
        rows[12] = Row(address(registry), IModelAdministration.tightenPolicy.selector, AccessRoles.GUARDIAN);
        rows[13] = Row(address(registry), IModelAdministration.unlistPlatform.selector, AccessRoles.GUARDIAN);
        rows[7] = Row(address(registry), IShardBonds.bindEscrow.selector, manager.ADMIN_ROLE());
        rows[8] = Row(address(escrow), IInferenceEscrow.pauseRequests.selector, AccessRoles.GUARDIAN);
        rows[9] = Row(address(escrow), IInferenceEscrow.unpauseRequests.selector, AccessRoles.PUBLISHER);
    }

    function _holderOf(uint64 role) private view returns (address) {
        if (role == AccessRoles.PUBLISHER) return publisher;
        if (role == AccessRoles.NOTICE_GIVER) return noticeGiver;
        if (role == AccessRoles.GUARDIAN) return guardian;
        return admin;
    }

    function test_canCall__every_function_and_holder__allows_its_role_alone() external view {
        Row[] memory rows = _matrix();
        address[5] memory callers = [admin, publisher, noticeGiver, guardian, stranger];
        for (uint256 i = 0; i < rows.length; ++i) {
            for (uint256 j = 0; j < callers.length; ++j) {
                _assertRow(rows[i], callers[j]);
            }
        }
    }

    function test_matrix__compared_with_the_setup__has_all_its_functions() external view {
        uint256 count;
        for (uint64 role = manager.ADMIN_ROLE(); role <= AccessRoles.GUARDIAN; ++role) {
            count += setup.registrySelectors(role).length + setup.escrowSelectors(role).length;
        }
        vm.assertEq(_matrix().length, count);
    }

    function _assertRow(Row memory row, address caller) private view {
        (bool isImmediate, uint32 delay) = manager.canCall(caller, row.target, row.selector);
        bool isHolder = caller == _holderOf(row.role);
        bool givesNotice = row.role == AccessRoles.NOTICE_GIVER || row.role == manager.ADMIN_ROLE();
        vm.assertEq(isImmediate, isHolder && !givesNotice);
        vm.assertEq(delay, isHolder && givesNotice ? NOTICE_DELAY : 0);
    }

    function test_restricted__called_by_a_stranger__reverts() external {
        Row[] memory rows = _matrix();
        bytes[] memory calls = _calls();
        for (uint256 i = 0; i < rows.length; ++i) {
            vm.assertEq(bytes32(bytes4(calls[i])), bytes32(rows[i].selector));
            vm.prank(stranger);
            (bool success, bytes memory answer) = rows[i].target.call(calls[i]);
            vm.assertFalse(success);
            vm.assertEq(answer, abi.encodeWithSignature("AccessManagedUnauthorized(address)", stranger));
        }
    }

    function _calls() private view returns (bytes[] memory calls) {
        calls = new bytes[](14);
        calls[0] = abi.encodeCall(registry.publishModel, (_modelParameters(), _one(MEASUREMENT)));
        calls[1] = abi.encodeCall(registry.lowerPrices, (modelId, 1, 1));
        calls[2] = abi.encodeCall(registry.allowMeasurement, (modelId, bytes32(uint256(1))));
        calls[3] = abi.encodeCall(registry.raisePrices, (modelId, type(uint64).max, type(uint64).max));
        calls[4] = abi.encodeCall(registry.readmitPlatform, (PLATFORM));
        calls[5] = abi.encodeCall(registry.withdrawMeasurement, (modelId, MEASUREMENT));
        calls[6] = abi.encodeCall(registry.denyPlatform, (PLATFORM));
        calls[7] = abi.encodeCall(registry.bindEscrow, (stranger));
        calls[8] = abi.encodeCall(escrow.pauseRequests, ());
        calls[9] = abi.encodeCall(escrow.unpauseRequests, ());
        calls[10] = abi.encodeCall(registry.setPolicy, (modelId, registry.policyOf(modelId)));
        calls[11] = abi.encodeCall(registry.listPlatform, (modelId, PLATFORM));
        calls[12] = abi.encodeCall(registry.tightenPolicy, (modelId, registry.policyOf(modelId)));
        calls[13] = abi.encodeCall(registry.unlistPlatform, (modelId, PLATFORM));
    }

    /* PAUSING */

    function test_pauseRequests__by_the_guardian__stops_new_requests_and_nothing_else() external {
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.RequestsPausedBy(guardian);
        vm.prank(guardian);
        escrow.pauseRequests();
        vm.assertTrue(escrow.areRequestsPaused());
        vm.expectRevert(abi.encodeWithSignature("AccessManagedUnauthorized(address)", guardian));
        vm.prank(guardian);
        escrow.unpauseRequests();
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.RequestsResumedBy(publisher);
        vm.prank(publisher);
        escrow.unpauseRequests();
        vm.assertFalse(escrow.areRequestsPaused());
    }

    function test_settle__paused__pays() external {
        vm.assertEq(_creditOf(entry.host), 0);
        bytes memory settle = abi.encodeCall(escrow.settle, (_settlement(_open())));
        vm.prank(guardian);
        escrow.pauseRequests();
        (bool success,) = address(escrow).call(settle);
        vm.assertTrue(success);
        vm.assertGt(_creditOf(entry.host), 0);
    }

    /* THE ADMIN */

    function test_admin__grants_a_role_without_notice__reverts() external {
        bytes memory call = abi.encodeCall(manager.grantRole, (AccessRoles.GUARDIAN, stranger, 0));
        bytes32 operation = manager.hashOperation(admin, address(manager), call);
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSignature("AccessManagerNotScheduled(bytes32)", operation));
        manager.grantRole(AccessRoles.GUARDIAN, stranger, 0);
    }

    function test_admin__grants_a_role_after_notice__is_done() external {
        bytes memory call = abi.encodeCall(manager.grantRole, (AccessRoles.GUARDIAN, stranger, 0));
        _afterNotice(admin, address(manager), call);
        (bool isMember,) = manager.hasRole(AccessRoles.GUARDIAN, stranger);
        vm.assertTrue(isMember);
    }
}
