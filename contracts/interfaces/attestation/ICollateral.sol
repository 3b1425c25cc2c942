// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice What is kept of a TCB info, a QE identity or a CRL.
struct CollateralItem {
    // Unix seconds. Zero: there is none.
    uint256 issuedAt;
    // in force until, inclusive; of a CRL until before
    uint256 nextUpdate;
    // as {CollateralReader} packs it; of a CRL 20 bytes for each revoked serial number, ascending
    bytes packed;
}

/// @title ICollateral
/// @notice What Intel says about its platforms from month to month: TCB info, QE identities, revocation lists.
/// @dev Anyone may bring it, because Intel's signature is the only authority. Nothing that was signed is ever replaced
/// by what was issued before it, nothing from the future is taken, and nothing that has ended is used. TCB info and QE
/// identities are kept apart by evaluation number, since Intel has several in force at the same time.
///
/// The order in which an empty store is filled: root CRL, PCK CRL, then TCB info and QE identity.
interface ICollateral {
    /// @notice A newer root CRL was taken.
    event RootCrlUpdated(uint256 thisUpdate, uint256 nextUpdate, bytes der);
    /// @notice A newer CRL of a PCK authority was taken.
    event PckCrlUpdated(bytes32 indexed authorityId, uint256 thisUpdate, uint256 nextUpdate, bytes der);
    /// @notice A newer TCB info was taken. `json` is what `signature` was made over.
    event TcbInfoUpdated(
        bytes6 indexed fmspc,
        uint256 indexed evaluationNumber,
        bytes32 indexed signerId,
        uint256 issuedAt,
        uint256 nextUpdate,
        bytes json,
        bytes signature
    );
    /// @notice A newer QE identity was taken. `json` is what `signature` was made over.
    event QeIdentityUpdated(
        uint256 indexed evaluationNumber,
        bytes32 indexed signerId,
        uint256 issuedAt,
        uint256 nextUpdate,
        bytes json,
        bytes signature
    );

    /// @notice Block time isn't within the window of what was given. Unix seconds.
    error CollateralNotInForce(uint256 issuedAt, uint256 nextUpdate);
    /// @notice What is kept was issued at the same time or later.
    error CollateralNotNewer(uint256 keptIssuedAt, uint256 issuedAt);
    /// @notice Nobody's key that is meant here made that signature.
    error CollateralSignatureInvalid();
    /// @notice A signature has 64 bytes, r and s.
    error CollateralSignatureLengthInvalid(uint256 length);
    /// @notice The CRL is another issuer's. Hashes of the names' DER.
    error CrlIssuerMismatch(bytes32 issuer, bytes32 expected);
    /// @notice The certificate of who signed has ended.
    error CollateralIssuerExpired(uint256 expiresAt);
    /// @notice The root CRL lists that serial number.
    error CollateralIssuerRevoked(uint256 serial);
    /// @notice There is no root CRL in force. Bring it first.
    error RootCrlMissing();
    /// @notice Evaluation numbers are 0 to 255 here; Intel's have reached 20 in eight years.
    error EvaluationNumberTooHigh(uint256 evaluationNumber);

    /// @notice Takes a newer root CRL. It decides which authorities and signers of collateral are revoked.
    function updateRootCrl(bytes calldata der) external;

    /// @notice Takes a newer CRL of a PCK authority that {IPckCertificates} has stored.
    function updatePckCrl(bytes calldata der, bytes32 authorityId) external;

    /// @notice Takes a newer TCB info: for its FMSPC, PCE id and evaluation number.
    /// @param json The text of the inner object, as it was signed.
    /// @param signature r ‖ s.
    /// @param signerId Whose certificate {IPckCertificates} has stored.
    function updateTcbInfo(bytes calldata json, bytes calldata signature, bytes32 signerId) external;

    /// @notice Takes a newer QE identity: for its evaluation number. Parameters as of {updateTcbInfo}.
    function updateQeIdentity(bytes calldata json, bytes calldata signature, bytes32 signerId) external;

    /// @notice The root CRL as it is kept.
    function rootCrl() external view returns (CollateralItem memory);

    /// @notice An authority's CRL as it is kept.
    /// @return crl The list.
    /// @return usableUntil Before when it and the root CRL end.
    /// @return isRevoked Whether the root CRL lists the authority.
    function pckCrl(bytes32 authorityId)
        external
        view
        returns (CollateralItem memory crl, uint256 usableUntil, bool isRevoked);

    /// @notice A TCB info as it is kept.
    function tcbInfo(bytes6 fmspc, bytes2 pceId, uint256 evaluationNumber)
        external
        view
        returns (CollateralItem memory);

    /// @notice A QE identity as it is kept.
    function qeIdentity(uint256 evaluationNumber) external view returns (CollateralItem memory);

    /// @notice Which evaluation numbers are kept: bit n for number n. An FMSPC of zero stands for QE identities.
    function evaluationNumbers(bytes6 fmspc, bytes2 pceId) external view returns (uint256 mask);
}
