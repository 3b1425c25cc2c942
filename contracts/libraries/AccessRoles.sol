// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title AccessRoles
/// @notice The roles of the AccessManager. The admin, role 0, is OpenZeppelin's; what is mapped to no role is the
/// admin's.
library AccessRoles {
    /// @notice Publishes models, lowers prices, admits requests again after a pause. At once.
    uint64 internal constant PUBLISHER = 1;

    /// @notice Allows measurements, raises prices, readmits and lists platforms, sets policies. After notice, within
    /// which the guardian can cancel.
    uint64 internal constant NOTICE_GIVER = 2;

    /// @notice Withdraws measurements, denies and unlists platforms, tightens policies, pauses new requests. At once;
    /// it can undo none of it.
    uint64 internal constant GUARDIAN = 3;
}
