// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {IModelAdministration} from "../interfaces/IModelAdministration.sol";
import {IShardBonds} from "../interfaces/IShardBonds.sol";
import {IShardRegistry} from "../interfaces/IShardRegistry.sol";
import {AccessRoles} from "../libraries/AccessRoles.sol";

/// @notice Who gets which role.
struct RoleHolders {
    address admin;
    address publisher;
    address noticeGiver;
    address guardian;
}

/// @notice Seconds between the announcement of an act and the act; 2 days on public networks.
struct RoleDelays {
    uint32 admin;
    uint32 notice;
}

/// @title AccessSetup
/// @notice Makes the AccessManager and sets it up: the one definition of who may do what, for tests and for
/// deployments.
/// @dev It is the manager's first admin, without delay, and gives that up in `configure`. Registry and escrow are
/// deployed in between, by others, with `MANAGER` as their authority.
contract AccessSetup {
    error NotTheDeployer(address caller, address deployer);
    error ZeroRoleHolder();

    event AccessConfigured(address indexed registry, address indexed escrow);

    AccessManager public immutable MANAGER;
    address public immutable DEPLOYER;

    constructor() {
        DEPLOYER = msg.sender;
        MANAGER = new AccessManager(address(this));
    }

    /// @notice Binds the escrow to the registry, opens it for requests, maps every restricted function to its role,
    /// grants the roles and leaves. Once: after it this contract may do nothing any more.
    function configure(
        IShardRegistry registry,
        IInferenceEscrow escrow,
        RoleHolders calldata holders,
        RoleDelays calldata delays
    ) external {
        // Check:
        if (msg.sender != DEPLOYER) revert NotTheDeployer(msg.sender, DEPLOYER);
        _checkHolders(holders);
        // Interaction: as long as nothing is mapped, everything restricted is the admin's.
        registry.bindEscrow(address(escrow));
        escrow.unpauseRequests();
        _map(address(registry), address(escrow));
        _grant(holders, delays);
        MANAGER.renounceRole(MANAGER.ADMIN_ROLE(), address(this));
        emit AccessConfigured(address(registry), address(escrow));
    }

    /// @notice The registry's functions for each role.
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

    /// @notice The escrow's functions for each role.
    function escrowSelectors(uint64 role) public pure returns (bytes4[] memory selectors) {
        if (role == AccessRoles.PUBLISHER || role == AccessRoles.GUARDIAN) {
            selectors = new bytes4[](1);
            selectors[0] = role == AccessRoles.PUBLISHER
                ? IInferenceEscrow.unpauseRequests.selector
                : IInferenceEscrow.pauseRequests.selector;
        }
    }

    function _checkHolders(RoleHolders calldata holders) private pure {
        bool isComplete = holders.admin != address(0) && holders.publisher != address(0)
            && holders.noticeGiver != address(0) && holders.guardian != address(0);
        if (!isComplete) revert ZeroRoleHolder();
    }

    function _map(address registry, address escrow) private {
        for (uint64 role = AccessRoles.PUBLISHER; role <= AccessRoles.GUARDIAN; ++role) {
            MANAGER.setTargetFunctionRole(registry, registrySelectors(role), role);
            MANAGER.setTargetFunctionRole(escrow, escrowSelectors(role), role);
        }
    }

    function _grant(RoleHolders calldata holders, RoleDelays calldata delays) private {
        MANAGER.labelRole(AccessRoles.PUBLISHER, "PUBLISHER");
        MANAGER.labelRole(AccessRoles.NOTICE_GIVER, "NOTICE_GIVER");
        MANAGER.labelRole(AccessRoles.GUARDIAN, "GUARDIAN");
        MANAGER.setRoleGuardian(AccessRoles.NOTICE_GIVER, AccessRoles.GUARDIAN);
        MANAGER.grantRole(AccessRoles.PUBLISHER, holders.publisher, 0);
        MANAGER.grantRole(AccessRoles.NOTICE_GIVER, holders.noticeGiver, delays.notice);
        MANAGER.grantRole(AccessRoles.GUARDIAN, holders.guardian, 0);
        MANAGER.grantRole(MANAGER.ADMIN_ROLE(), holders.admin, delays.admin);
    }
}
