// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @title IAutomataRouter
/// @notice What is called of Automata's PCCSRouter, and the errors of its that pass through {IAutomataVerifier}.
/// Source: see {IAutomataDcap}.
/// @dev `id` is 0 for SGX, 1 for TDX; `ca` is 0 for the root, 1 processor, 2 platform, 3 signer of collateral.
interface IAutomataRouter {
    /// @notice Its list of evaluation numbers has ended, or was never brought.
    error TcbEvalExpiredOrNotFound(uint8 id);
    /// @notice It keeps no QE identities of that evaluation number.
    error QEIdentityExpiredOrNotFound(uint8 id, uint256 pcsApiVersion);
    /// @notice The TCB info has ended or was never brought, or none of that evaluation number is kept.
    error FmspcTcbExpiredOrNotFound(uint8 id, uint256 tcbVersion);
    /// @notice A certificate of Intel's has ended, or was never brought.
    error CertExpiredOrNotFound(uint8 ca);
    /// @notice A revocation list has ended, or was never brought.
    error CrlExpiredOrNotFound(uint8 ca);
    /// @notice Its owner lets only listed callers read.
    error Forbidden();

    /// @notice Which of Intel's sets is the standard one today. Reverts when that isn't known.
    function getStandardTcbEvaluationDataNumber(uint8 id) external view returns (uint32);

    /// @notice A digest of the TCB info in force. Reverts when there is none.
    function getFmspcTcbContentHash(uint8 id, bytes6 fmspc, uint32 version, uint32 tcbEvaluationDataNumber)
        external
        view
        returns (bytes32);
}
