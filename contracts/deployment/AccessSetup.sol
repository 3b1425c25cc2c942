// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {IModelAdministration} from "../interfaces/IModelAdministration.sol";
import {IShardBonds} from "../interfaces/IShardBonds.sol";
import {IShardRegistry} from "../interfaces/IShardRegistry.sol";
import {AccessRoles} from "../libraries/AccessRoles.sol";
import {GuardedAccessManager} from "./GuardedAccessManager.sol";

/// @notice Who gets which role; see AccessRoles. None may be zero.
struct RoleHolders {
    address admin;
    address publisher;
    address noticeGiver;
    address guardian;
}

/// @notice Seconds between scheduling a call and executing it; 2 days on public networks.
struct RoleDelays {
    // of the admin
    uint32 admin;
    // of the noticeGiver
    uint32 notice;
}

/// @title AccessSetup
/// @notice Deploys the access manager and configures it: the single definition of who may call what, for deployments
/// and for tests.
/// @dev This contract is the manager's first admin, without delay, and renounces that in {configure}. Registry and
/// escrow are deployed in between, with `MANAGER` as their authority.
contract AccessSetup {
    /// @notice Only the account that deployed this contract.
    error NotTheDeployer(address caller, address deployer);

    /// @notice A role has no holder.
    error ZeroRoleHolder();

    /// @notice Roles and functions are mapped; this contract has no role any more.
    event AccessConfigured(address indexed registry, address indexed escrow);

    /// @notice The authority of registry and escrow.
    GuardedAccessManager public immutable MANAGER;

    /// @notice The account that may call {configure}.
    address public immutable DEPLOYER;

    constructor() {
        DEPLOYER = msg.sender;
        MANAGER = new GuardedAccessManager(address(this));
    }

    /// @notice Binds the escrow to the registry, admits requests, maps every restricted function to its role, grants
    /// the roles, and renounces this contract's own. Only the deployer, and only once: a second call has no permission.
    /// @dev Reverts with {NotTheDeployer} or {ZeroRoleHolder}.
    function configure(
        IShardRegistry registry,
        IInferenceEscrow escrow,
        RoleHolders calldata holders,
        RoleDelays calldata delays
    ) external {
        // Check:
        if (msg.sender != DEPLOYER) revert NotTheDeployer(msg.sender, DEPLOYER);
        _checkHolders(holders);
        // Interaction: before the mapping, every restricted function is the admin's, so the order matters.
        registry.bindEscrow(address(escrow));
        escrow.unpauseRequests();
        _mapFunctions(address(registry), address(escrow));
        _grantRoles(holders, delays);
        MANAGER.renounceRole(MANAGER.ADMIN_ROLE(), address(this));
        emit AccessConfigured(address(registry), address(escrow));
    }

    /// @notice The registry's functions of a role. Any role but the three of AccessRoles stands for the admin.
    function registrySelectors(uint64 role) public pure returns (bytes4[] memory selectors) {
        if (role == AccessRoles.PUBLISHER) {
            selectors = new bytes4[](2);
            selectors[0] = IModelAdministration.publishModel.selector;
            selectors[1] = IModelAdministration.lowerPrices.selector;
        } else if (role == AccessRoles.NOTICE_GIVER) {
            selectors = new bytes4[](5);
            selectors[0] = IModelAdministration.allowMeasurement.selector;
            selectors[1] = IModelAdministration.raisePrices.selector;
            selectors[2] = IModelAdministration.readmitPlatform.selector;
            selectors[3] = IModelAdministration.setPolicy.selector;
            selectors[4] = IModelAdministration.listPlatform.selector;
        } else if (role == AccessRoles.GUARDIAN) {
            selectors = new bytes4[](4);
            selectors[0] = IModelAdministration.withdrawMeasurement.selector;
            selectors[1] = IModelAdministration.denyPlatform.selector;
            selectors[2] = IModelAdministration.tightenPolicy.selector;
            selectors[3] = IModelAdministration.unlistPlatform.selector;
        } else {
            selectors = new bytes4[](1);
            selectors[0] = IShardBonds.bindEscrow.selector;
        }
    }

    /// @notice The escrow's functions of a role; the admin and NOTICE_GIVER have none.
    function escrowSelectors(uint64 role) public pure returns (bytes4[] memory selectors) {
        if (role == AccessRoles.PUBLISHER || role == AccessRoles.GUARDIAN) {
            selectors = new bytes4[](1);
            selectors[0] = role == AccessRoles.PUBLISHER
                ? IInferenceEscrow.unpauseRequests.selector
                : IInferenceEscrow.pauseRequests.selector;
        }
    }

    /// @dev A role without a holder could only be repaired by the admin, after its delay.
    function _checkHolders(RoleHolders calldata holders) private pure {
        bool isComplete = holders.admin != address(0) && holders.publisher != address(0)
            && holders.noticeGiver != address(0) && holders.guardian != address(0);
        if (!isComplete) revert ZeroRoleHolder();
    }

    /// @dev The roles of AccessRoles are consecutive numbers.
    function _mapFunctions(address registry, address escrow) private {
        for (uint64 role = AccessRoles.PUBLISHER; role <= AccessRoles.GUARDIAN; ++role) {
            MANAGER.setTargetFunctionRole(registry, registrySelectors(role), role);
            MANAGER.setTargetFunctionRole(escrow, escrowSelectors(role), role);
        }
    }

    function _grantRoles(RoleHolders calldata holders, RoleDelays calldata delays) private {
        MANAGER.labelRole(AccessRoles.PUBLISHER, "PUBLISHER");
        MANAGER.labelRole(AccessRoles.NOTICE_GIVER, "NOTICE_GIVER");
        MANAGER.labelRole(AccessRoles.GUARDIAN, "GUARDIAN");
        MANAGER.grantRole(AccessRoles.PUBLISHER, holders.publisher, 0);
        MANAGER.grantRole(AccessRoles.NOTICE_GIVER, holders.noticeGiver, delays.notice);
        MANAGER.grantRole(AccessRoles.GUARDIAN, holders.guardian, 0);
        MANAGER.grantRole(MANAGER.ADMIN_ROLE(), holders.admin, delays.admin);
    }
}
