// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {AccessRoles} from "../libraries/AccessRoles.sol";

/// @title GuardedAccessManager
/// @notice OpenZeppelin's AccessManager, in which GUARDIAN can cancel every operation that is waiting, whichever
/// role has scheduled it: the admin's own acts included.
/// @dev OpenZeppelin lets a role's guardian cancel operations of that role, but gives the admin's role no guardian. So
/// a stolen admin key could give itself any other role, without a delay, after one wait that no other role could end.
///
/// The reverse also holds: a stolen guardian key can cancel its own removal, and so stop all that needs notice. It can
/// loosen nothing, and touches no request that is open; the way out is another deployment.
contract GuardedAccessManager is AccessManager {
    /// @notice The role that can cancel.
    uint64 public constant CANCELLER = AccessRoles.GUARDIAN;

    /// @param initialAdmin The first holder of the admin's role, without a delay.
    constructor(address initialAdmin) AccessManager(initialAdmin) {}

    /// @dev See {AccessManager-cancel}; the canceller's own execution delay does not matter.
    function _canCancel(address caller, address target, bytes calldata data) internal view override returns (bool) {
        (bool isCanceller,) = hasRole(CANCELLER, _msgSender());
        return isCanceller || super._canCancel(caller, target, data);
    }
}
