// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title AccessRoles
/// @notice The roles of the GuardedAccessManager, in addition to OpenZeppelin's admin (role 0), who may call every
/// restricted function that is mapped to no role. AccessSetup maps functions to roles.
library AccessRoles {
    /// @notice Publishes models, lowers prices, resumes requests after a pause. Takes effect immediately.
    uint64 internal constant PUBLISHER = 1;

    /// @notice Allows measurements, raises prices, readmits and lists platforms, sets policies. Takes effect after the
    /// notice period, in which the guardian can cancel.
    uint64 internal constant NOTICE_GIVER = 2;

    /// @notice Withdraws measurements, denies and unlists platforms, tightens policies, pauses new requests, cancels
    /// whatever any role has scheduled. Takes effect immediately; the guardian cannot undo any of it.
    uint64 internal constant GUARDIAN = 3;
}
