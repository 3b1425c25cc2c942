// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @title IAutomataRouter
/// @notice The functions of Automata's PCCSRouter that are called here, and its errors that reach callers of
/// {IAutomataVerifier}. Source: see {IAutomataDcap}.
/// @dev `id` is 0 for SGX and 1 for TDX; `ca` is 0 for the root, 1 for the processor CA, 2 for the platform CA and 3
/// for the signer of collateral.
interface IAutomataRouter {
    /// @notice The list of evaluation numbers has expired or was never uploaded.
    error TcbEvalExpiredOrNotFound(uint8 id);
    /// @notice There is no QE identity of that evaluation number.
    error QEIdentityExpiredOrNotFound(uint8 id, uint256 pcsApiVersion);
    /// @notice There is no TCB info of that evaluation number, or it has expired.
    error FmspcTcbExpiredOrNotFound(uint8 id, uint256 tcbVersion);
    /// @notice A certificate of Intel has expired or was never uploaded.
    error CertExpiredOrNotFound(uint8 ca);
    /// @notice A revocation list has expired or was never uploaded.
    error CrlExpiredOrNotFound(uint8 ca);
    /// @notice The router's owner lets only listed callers read.
    error Forbidden();

    /// @notice The evaluation number of Intel's standard set of today. Reverts if it is not known.
    function getStandardTcbEvaluationDataNumber(uint8 id) external view returns (uint32);

    /// @notice A digest of the TCB info in force. Reverts if there is none.
    function getFmspcTcbContentHash(uint8 id, bytes6 fmspc, uint32 version, uint32 tcbEvaluationDataNumber)
        external
        view
        returns (bytes32);
}
