// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What identifies a TCB info or QE identity, and when it is in force.
struct CollateralHeader {
    // Unix seconds, both inclusive
    uint40 issuedAt;
    uint40 nextUpdate;
    uint16 evaluationNumber;
    // only of a TCB info
    bytes6 fmspc;
    bytes2 pceId;
}

/// @title ICollateralReader
/// @notice Reads TCB info and QE identities from the JSON that Intel signs, and packs what an assessment needs.
/// @dev Checks neither signatures nor dates. Ignores members of names that have no meaning here, as Intel's own library
/// does. Rejects everything else that deviates from Intel's form by a single character: repeated, missing and reordered
/// keys, unknown statuses, levels out of order.
interface ICollateralReader {
    /// @notice The text has more than 40,000 characters.
    error CollateralTooLong(uint256 length);
    /// @notice Levels must descend and modules must differ; otherwise it would be ambiguous which one applies.
    error LevelsOutOfOrder();

    /// @notice Reads the `tcbInfo` object of TDX, version 3.
    /// @param json The object's text, from `{` to `}`.
    /// @return header What identifies it.
    /// @return packed See {TcbEvaluation}.
    function readTcbInfo(bytes calldata json)
        external
        pure
        returns (CollateralHeader memory header, bytes memory packed);

    /// @notice Reads the `enclaveIdentity` object of the TD quoting enclave, version 2 or 3.
    /// @param json The object's text, from `{` to `}`.
    /// @return header What identifies it.
    /// @return packed See {TcbEvaluation}.
    function readQeIdentity(bytes calldata json)
        external
        pure
        returns (CollateralHeader memory header, bytes memory packed);
}
