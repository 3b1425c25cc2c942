// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessRoles} from "../../../contracts/libraries/AccessRoles.sol";
import {ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given an operation that a role has scheduled
///   when the guardian cancels it: it should not be possible at its time, the admin's acts included
///   when the guardian is to lose its own role: it should be able to cancel that, too
///   when another account cancels it: it should be refused, unless it has scheduled it or is the admin
/// Given an operation that is not scheduled
///   when the guardian cancels it: it should be refused
contract GuardedAccessManagerTest is ShardFixture {
    function test_M9_cancel__admin_gives_itself_a_role__guardian_ends_it() external {
        bytes memory call = abi.encodeCall(manager.grantRole, (AccessRoles.NOTICE_GIVER, stranger, 0));
        _assertCancelled(admin, address(manager), call);
        (bool isMember,) = manager.hasRole(AccessRoles.NOTICE_GIVER, stranger);
        vm.assertFalse(isMember);
    }

    function test_M9_cancel__every_kind_of_admins_act__guardian_ends_it() external {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = registry.setPolicy.selector;
        uint64 publishers = AccessRoles.PUBLISHER;
        _assertCancelled(admin, address(manager), abi.encodeCall(manager.revokeRole, (publishers, publisher)));
        _assertCancelled(admin, address(manager), abi.encodeCall(manager.setRoleAdmin, (publishers, publishers)));
        _assertCancelled(admin, address(manager), abi.encodeCall(manager.setGrantDelay, (publishers, 0)));
        _assertCancelled(
            admin,
            address(manager),
            abi.encodeCall(manager.setTargetFunctionRole, (address(registry), selectors, publishers))
        );
        _assertCancelled(admin, address(manager), abi.encodeCall(manager.setTargetClosed, (address(registry), true)));
        _assertCancelled(
            admin, address(manager), abi.encodeCall(manager.updateAuthority, (address(registry), stranger))
        );
        _assertCancelled(admin, address(registry), abi.encodeCall(registry.bindEscrow, (stranger)));
    }

    function test_M9_cancel__guardian_is_to_lose_its_role__guardian_ends_it() external {
        _assertCancelled(admin, address(manager), abi.encodeCall(manager.revokeRole, (AccessRoles.GUARDIAN, guardian)));
        (bool isMember,) = manager.hasRole(AccessRoles.GUARDIAN, guardian);
        vm.assertTrue(isMember);
    }

    function test_cancel__notice_givers_announcement__guardian_ends_it() external {
        bytes32 measurement = keccak256("another image");
        _assertCancelled(
            noticeGiver, address(registry), abi.encodeCall(registry.allowMeasurement, (modelId, measurement))
        );
        vm.assertFalse(registry.isMeasurementAllowed(modelId, measurement));
    }

    function test_cancel__by_another__reverts() external {
        bytes memory call = abi.encodeCall(manager.grantRole, (AccessRoles.NOTICE_GIVER, stranger, 0));
        vm.prank(admin);
        manager.schedule(address(manager), call, 0);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSignature(
                "AccessManagerUnauthorizedCancel(address,address,address,bytes4)",
                stranger,
                admin,
                address(manager),
                manager.grantRole.selector
            )
        );
        manager.cancel(admin, address(manager), call);
    }

    function test_cancel__by_who_scheduled_it__ends_it() external {
        bytes memory call = abi.encodeCall(manager.grantRole, (AccessRoles.NOTICE_GIVER, stranger, 0));
        vm.prank(admin);
        (bytes32 operation,) = manager.schedule(address(manager), call, 0);
        vm.prank(admin);
        manager.cancel(admin, address(manager), call);
        vm.assertEq(manager.getSchedule(operation), 0);
    }

    function test_cancel__nothing_scheduled__reverts() external {
        bytes memory call = abi.encodeCall(manager.grantRole, (AccessRoles.NOTICE_GIVER, stranger, 0));
        bytes32 operation = manager.hashOperation(admin, address(manager), call);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSignature("AccessManagerNotScheduled(bytes32)", operation));
        manager.cancel(admin, address(manager), call);
    }

    /// @dev Scheduled by `sender`, cancelled by the guardian, impossible at its time.
    function _assertCancelled(address sender, address target, bytes memory call) private {
        vm.prank(sender);
        (bytes32 operation,) = manager.schedule(target, call, 0);
        vm.prank(guardian);
        manager.cancel(sender, target, call);
        vm.warp(vm.getBlockTimestamp() + NOTICE_DELAY);
        vm.prank(sender);
        vm.expectRevert(abi.encodeWithSignature("AccessManagerNotScheduled(bytes32)", operation));
        manager.execute(target, call);
    }
}
