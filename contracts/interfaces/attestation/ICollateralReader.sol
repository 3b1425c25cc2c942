// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What names a TCB info or QE identity, and when it is in force.
struct CollateralHead {
    // Unix seconds, both inclusive
    uint40 issuedAt;
    uint40 nextUpdate;
    uint16 evaluationNumber;
    // of a TCB info alone
    bytes6 fmspc;
    bytes2 pceId;
}

/// @title ICollateralReader
/// @notice Reads TCB info and QE identities from the JSON that Intel signs, and packs what a verdict needs.
/// @dev It doesn't look at signatures or at the time. Everything which isn't in Intel's form to the last character is
/// refused: unknown, repeated, missing and reordered keys, unknown statuses, levels out of order.
interface ICollateralReader {
    /// @notice More than 40,000 characters.
    error CollateralTooLong(uint256 length);
    /// @notice Levels have to descend, and modules to differ, or which one applies would be open.
    error LevelsOutOfOrder();

    /// @notice Reads the `tcbInfo` object of TDX, version 3.
    /// @param json The object's text, from `{` to `}`.
    /// @return head What names it.
    /// @return packed See {TcbEvaluation}.
    function readTcbInfo(bytes calldata json) external pure returns (CollateralHead memory head, bytes memory packed);

    /// @notice Reads the `enclaveIdentity` object of the TD quoting enclave, version 2.
    /// @param json The object's text, from `{` to `}`.
    /// @return head What names it.
    /// @return packed See {TcbEvaluation}.
    function readQeIdentity(bytes calldata json)
        external
        pure
        returns (CollateralHead memory head, bytes memory packed);
}
