// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice A certificate authority directly below the root, as stored. 4 slots.
struct Authority {
    // slot 0, 1: its P-256 key
    uint256 x;
    uint256 y;
    // slot 2: keccak256 of the DER of its name
    bytes32 subject;
    // slot 3 (27 bytes): its serial number below the root
    uint160 serial;
    // Unix seconds at which it or the root expires, whichever is earlier; 40 bits reach beyond the year 36,000
    uint40 expiresAt;
    // counted from 1; zero is none
    uint16 index;
}

/// @notice A certificate that signs TCB info and QE identities, directly below the root, as stored. 3 slots.
struct CollateralSigner {
    // slot 0, 1: its P-256 key
    uint256 x;
    uint256 y;
    // slot 2 (27 bytes): its serial number below the root
    uint160 serial;
    // Unix seconds at which it or the root expires, whichever is earlier
    uint40 expiresAt;
    // counted from 1; zero is none
    uint16 index;
}

/// @notice One machine's PCK certificate. Stored as the code of a contract; see {PckRecord}.
struct PckCertificate {
    // its P-256 key
    uint256 x;
    uint256 y;
    // identifies the machine: the same in all of its certificates
    bytes16 ppid;
    // the security versions of 16 components
    bytes16 componentSvns;
    // its serial number below its authority, by which a CRL lists it
    uint160 serial;
    // which TCB info applies, and the PCE's security version
    bytes6 fmspc;
    bytes2 pceId;
    uint16 pceSvn;
    // which authority signed it, counted from 1; zero is no certificate
    uint16 authorityIndex;
    // Unix seconds at which the first of leaf, authority and root expires
    uint40 expiresAt;
    // bit 2: packages can be added; bit 1: keys are cached by Intel; bit 0: SMT is on
    uint8 configuration;
    // 0 standard, 1 scalable, 2 scalable with integrity
    uint8 sgxType;
}

/// @title IPckCertificates
/// @notice Stores PCK certificates whose chain up to the pinned root has been verified, so that a quote of a known
/// machine costs two signature checks and no parsing.
/// @dev Anyone may add certificates, because only the signatures count. None can be removed or replaced. What is NOT
/// checked is revocation: a CRL lists issuer and serial number, which are stored for the verifier that reads CRLs.
/// Callers that rely on a certificate must compare `expiresAt` with the time of use.
interface IPckCertificates {
    /// @notice The root was pinned. All stored certificates can be rebuilt from this event and the three below.
    event RootPinned(bytes32 indexed rootId, bytes der);
    /// @notice An authority's certificate was verified and stored.
    event AuthorityAdded(bytes32 indexed authorityId, uint256 indexed index, bytes der);
    /// @notice A machine's PCK certificate was verified and stored. `platformId` is keccak256(PPID).
    event PckCertificateAdded(
        bytes32 indexed pckId, bytes32 indexed authorityId, bytes32 indexed platformId, bytes der
    );

    /// @notice The certificate of a signer of TCB info and QE identities was verified and stored.
    event CollateralSignerAdded(bytes32 indexed signerId, uint256 indexed index, bytes der);

    /// @notice The certificate to pin is not a root: it is no authority, or names another issuer. Or a certificate with
    /// the root's name was given where an authority below the root is needed.
    error RootInvalid(bytes32 rootId);
    /// @notice No authority has that id (keccak256 of its tbsCertificate). Add its certificate first.
    error AuthorityUnknown(bytes32 authorityId);
    /// @notice No signer of collateral has that id. Add its certificate first.
    error CollateralSignerUnknown(bytes32 signerId);
    /// @notice A revocation mask has `max` bits, and all of them are in use.
    error TooManyCertificates(uint256 max);
    /// @notice A PCK certificate was given where a signer of collateral is needed.
    error NotACollateralSigner(bytes32 id);
    /// @notice No PCK certificate has that id. Add it first.
    error PckCertificateUnknown(bytes32 pckId);
    /// @notice A leaf was given where an authority is needed, or the reverse.
    error CertificateKindWrong(bytes32 id, bool isAuthority);
    /// @notice The certificate names another issuer than the one given. keccak256 of the DER of both names.
    error IssuerMismatch(bytes32 id, bytes32 issuer, bytes32 expected);
    /// @notice The certificate is not signed by the issuer's key.
    error CertificateSignatureInvalid(bytes32 id);
    /// @notice The certificate is not valid at the time of the block. Unix seconds, both inclusive.
    error CertificateNotInForce(bytes32 id, uint256 notBefore, uint256 notAfter);
    /// @notice The issuer's certificate or the root's expired at `expiresAt` (Unix seconds).
    error IssuerExpired(bytes32 authorityId, uint256 expiresAt);
    /// @notice The leaf has no Intel extension, so it identifies no platform.
    error PlatformMissing(bytes32 id);

    /// @notice Verifies a Platform CA's certificate against the root and stores it. Does nothing if it is stored
    /// already. Anyone may call.
    /// @param der The certificate in DER.
    /// @return authorityId keccak256(tbsCertificate).
    function addAuthority(bytes calldata der) external returns (bytes32 authorityId);

    /// @notice Verifies a PCK leaf against a stored authority and stores it. Does nothing if it is stored already.
    /// Anyone may call.
    /// @param der The certificate in DER.
    /// @param authorityId The authority that signed it.
    /// @return pckId keccak256(tbsCertificate).
    function addPckCertificate(bytes calldata der, bytes32 authorityId) external returns (bytes32 pckId);

    /// @notice Verifies the certificate of a signer of TCB info and QE identities against the root and stores it. Does
    /// nothing if it is stored already. Anyone may call.
    /// @param der The certificate in DER.
    /// @return signerId keccak256(tbsCertificate).
    function addCollateralSigner(bytes calldata der) external returns (bytes32 signerId);

    /// @notice The stored leaf. It may have expired; see `expiresAt`. Reverts with {PckCertificateUnknown}.
    function pckCertificate(bytes32 pckId) external view returns (PckCertificate memory);

    /// @notice The stored authority. It may have expired; see `expiresAt`. Reverts with {AuthorityUnknown}.
    function authority(bytes32 authorityId) external view returns (Authority memory);

    /// @notice The id of the authority with that index, counted from 1; zero beyond the last.
    function authorityIdAt(uint256 index) external view returns (bytes32 authorityId);

    /// @notice Whether a leaf with that id is stored.
    function hasPckCertificate(bytes32 pckId) external view returns (bool);

    /// @notice Whether an authority with that id is stored.
    function hasAuthority(bytes32 authorityId) external view returns (bool);

    /// @notice The block in which the root was pinned, or an authority or a leaf added. Its event has the DER, so
    /// readers need not search for it. Zero: none has that id.
    function addedInBlock(bytes32 id) external view returns (uint256);

    /// @notice The stored signer of collateral. It may have expired; see `expiresAt`. Reverts with
    /// {CollateralSignerUnknown}.
    function collateralSigner(bytes32 signerId) external view returns (CollateralSigner memory);

    /// @notice The id of the signer of collateral with that index, counted from 1; zero beyond the last.
    function collateralSignerIdAt(uint256 index) external view returns (bytes32 signerId);

    /// @notice The pinned root: its id, its P-256 key and the Unix second at which it expires.
    function root() external view returns (bytes32 rootId, uint256 x, uint256 y, uint40 expiresAt);

    /// @notice What a CRL identifies the root by: keccak256 of the DER of its name, and its serial number.
    function rootName() external view returns (bytes32 subject, uint160 serial);

    /// @notice The address of the contract whose code is the stored leaf; see {PckRecord}. It exists only if
    /// {hasPckCertificate}.
    function recordOf(bytes32 pckId) external view returns (address);
}
