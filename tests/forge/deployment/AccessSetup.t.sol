// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InferenceEscrow} from "../../../contracts/InferenceEscrow.sol";
import {ShardRegistry} from "../../../contracts/ShardRegistry.sol";
import {AccessSetup, RoleDelays, RoleHolders} from "../../../contracts/deployment/AccessSetup.sol";
import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {AcceptingVerifier} from "../../../contracts/mocks/AcceptingVerifier.sol";
import {TeeTeeSystem} from "../fixtures/TeeTeeSystem.sol";

/// Given a deployed registry and escrow
///   when the deployer configures: the escrow should be bound and open, and AccessSetup without any role
///   when anyone else configures, a holder is missing, or it was done before: it should be refused
///   when the escrow is not bound by the registry: requests should stay paused
contract AccessSetupTest is TeeTeeSystem {
    function test_configure__by_the_deployer__leaves_the_setup_powerless() external view {
        (bool isAdmin,) = manager.hasRole(manager.ADMIN_ROLE(), address(setup));
        vm.assertFalse(isAdmin);
        vm.assertEq(registry.escrow(), address(escrow));
        vm.assertFalse(escrow.areRequestsPaused());
        (bool isMember, uint32 delay) = manager.hasRole(manager.ADMIN_ROLE(), admin);
        vm.assertTrue(isMember);
        vm.assertEq(delay, ADMIN_DELAY);
    }

    function test_configure__by_another__reverts() external {
        AccessSetup fresh = new AccessSetup();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(AccessSetup.NotTheDeployer.selector, stranger, address(this)));
        fresh.configure(registry, escrow, _holders(), RoleDelays(1, 1));
    }

    function test_configure__no_guardian__reverts() external {
        AccessSetup fresh = new AccessSetup();
        RoleHolders memory holders = _holders();
        holders.guardian = address(0);
        vm.expectRevert(abi.encodeWithSelector(AccessSetup.ZeroRoleHolder.selector));
        fresh.configure(registry, escrow, holders, RoleDelays(1, 1));
    }

    function test_configure__twice__reverts() external {
        vm.expectRevert(abi.encodeWithSignature("AccessManagedUnauthorized(address)", address(setup)));
        setup.configure(registry, escrow, _holders(), RoleDelays(1, 1));
    }

    function test_unpauseRequests__escrow_not_bound__reverts() external {
        AccessSetup fresh = new AccessSetup();
        address authority = address(fresh.MANAGER());
        registry =
            new ShardRegistry(authority, token, new AcceptingVerifier(), BOND, ATTESTATION_PERIOD, UNBONDING_PERIOD);
        escrow = new InferenceEscrow(authority, _terms());
        vm.prank(address(fresh));
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.EscrowNotBound.selector, address(0)));
        escrow.unpauseRequests();
    }

    function _holders() private view returns (RoleHolders memory) {
        return RoleHolders({admin: admin, publisher: publisher, noticeGiver: noticeGiver, guardian: guardian});
    }
}
