// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {ILongCrls, LongCrl} from "./ILongCrls.sol";

/// @notice A TCB info, a QE identity or a CRL as it is stored.
struct CollateralItem {
    // Unix seconds; zero: there is no such item
    uint256 issuedAt;
    // Unix seconds; the item is in force until this second, a CRL until the second before
    uint256 nextUpdate;
    // as {CollateralReader} packs it; of a CRL, 20 bytes per revoked serial number, ascending
    bytes packed;
}

/// @title ICollateral
/// @notice Stores Intel's collateral, which Intel reissues about monthly: TCB info, QE identities, revocation lists.
/// @dev Anyone may upload it, because only Intel's signature counts. An item is never replaced by an older one,
/// accepted before it is in force, or used after it has expired. TCB info and QE identities are stored per evaluation
/// number, since Intel has several sets in force at the same time.
///
/// To fill an empty store, upload the root CRL first, then the PCK CRL, then TCB info and QE identity.
interface ICollateral {
    /// @notice A newer root CRL was stored. Unix seconds, here and below.
    event RootCrlUpdated(uint256 thisUpdate, uint256 nextUpdate, bytes der);
    /// @notice A newer CRL of a PCK authority was stored. `der` is empty of a long one; its parts are code.
    event PckCrlUpdated(bytes32 indexed authorityId, uint256 thisUpdate, uint256 nextUpdate, bytes der);
    /// @notice A newer TCB info was stored. `signature` is over `json`.
    event TcbInfoUpdated(
        bytes6 indexed fmspc,
        uint256 indexed evaluationNumber,
        bytes32 indexed signerId,
        uint256 issuedAt,
        uint256 nextUpdate,
        bytes json,
        bytes signature
    );
    /// @notice A newer QE identity was stored. `signature` is over `json`.
    event QeIdentityUpdated(
        uint256 indexed evaluationNumber,
        bytes32 indexed signerId,
        uint256 issuedAt,
        uint256 nextUpdate,
        bytes json,
        bytes signature
    );

    /// @notice The item is not in force at the time of the block. Unix seconds.
    error CollateralNotInForce(uint256 issuedAt, uint256 nextUpdate);
    /// @notice The stored item was issued at the same time or later. Unix seconds.
    error CollateralNotNewer(uint256 keptIssuedAt, uint256 issuedAt);
    /// @notice The signature is not by the key that it must be by.
    error CollateralSignatureInvalid();
    /// @notice A signature has 64 bytes: r ‖ s.
    error CollateralSignatureLengthInvalid(uint256 length);
    /// @notice The CRL names another issuer. keccak256 of the DER of both names.
    error CrlIssuerMismatch(bytes32 issuer, bytes32 expected);
    /// @notice The signer's certificate expired at `expiresAt` (Unix seconds).
    error CollateralIssuerExpired(uint256 expiresAt);
    /// @notice The root CRL lists the serial number of the signer's certificate.
    error CollateralIssuerRevoked(uint256 serial);
    /// @notice There is no root CRL in force. Upload it first.
    error RootCrlMissing();
    /// @notice Evaluation numbers are 0 to 255 here. Intel's reached 20 in eight years.
    error EvaluationNumberTooHigh(uint256 evaluationNumber);

    /// @notice Stores a newer root CRL, which lists revoked authorities and signers of collateral. Anyone may call.
    /// @param der The CRL in DER.
    function updateRootCrl(bytes calldata der) external;

    /// @notice Stores a newer CRL of a PCK authority. Anyone may call.
    /// @param der The CRL in DER, of at most 1,228 entries. {updateLongPckCrl} is for longer ones.
    /// @param authorityId An authority that {IPckCertificates} has stored.
    function updatePckCrl(bytes calldata der, bytes32 authorityId) external;

    /// @notice Stores a newer CRL of a PCK authority that was uploaded in parts. Anyone may call.
    /// @param list The CRL; all of its entries are in {longCrls}, and sorted.
    /// @param authorityId As in {updatePckCrl}.
    function updateLongPckCrl(LongCrl calldata list, bytes32 authorityId) external;

    /// @notice Stores a newer TCB info for its FMSPC, PCE id and evaluation number. Anyone may call.
    /// @param json The text of the inner object, as it was signed.
    /// @param signature r ‖ s.
    /// @param signerId A signer that {IPckCertificates} has stored.
    function updateTcbInfo(bytes calldata json, bytes calldata signature, bytes32 signerId) external;

    /// @notice Stores a newer QE identity for its evaluation number. Anyone may call. Parameters as in {updateTcbInfo}.
    function updateQeIdentity(bytes calldata json, bytes calldata signature, bytes32 signerId) external;

    /// @notice The root CRL as it is stored.
    function rootCrl() external view returns (CollateralItem memory);

    /// @notice An authority's CRL as it is stored.
    /// @return crl The list.
    /// @return usableUntil Unix second at which it or the root CRL expires, whichever is first.
    /// @return isRevoked Whether the root CRL lists the authority.
    function pckCrl(bytes32 authorityId)
        external
        view
        returns (CollateralItem memory crl, uint256 usableUntil, bool isRevoked);

    /// @notice Where the parts of long CRLs are uploaded.
    function longCrls() external view returns (ILongCrls);

    /// @notice A TCB info as it is stored.
    function tcbInfo(bytes6 fmspc, bytes2 pceId, uint256 evaluationNumber)
        external
        view
        returns (CollateralItem memory);

    /// @notice A QE identity as it is stored.
    function qeIdentity(uint256 evaluationNumber) external view returns (CollateralItem memory);

    /// @notice Which evaluation numbers are stored: bit n for number n. FMSPC zero stands for QE identities.
    function evaluationNumbers(bytes6 fmspc, bytes2 pceId) external view returns (uint256 mask);
}
