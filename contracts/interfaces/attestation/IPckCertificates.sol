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
    // Unix seconds at which it or the root ends, whichever is earlier: 40 bits reach beyond the year 36,000
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
    // Unix seconds at which it or the root ends, whichever is earlier
    uint40 expiresAt;
    // counted from 1; zero is none
    uint16 index;
}

/// @notice One machine's PCK certificate. Kept as a contract's code; see {PckRecord}.
struct PckCertificate {
    // its P-256 key
    uint256 x;
    uint256 y;
    // the machine, the same in all certificates of its life
    bytes16 ppid;
    // 16 components' security versions
    bytes16 componentSvns;
    // its serial number below its authority, by which a CRL names it
    uint160 serial;
    // which TCB info applies, and the PCE's security version
    bytes6 fmspc;
    bytes2 pceId;
    uint16 pceSvn;
    // which authority signed it, counted from 1; zero is no certificate
    uint16 authorityIndex;
    // Unix seconds at which the first of leaf, authority and root ends
    uint40 expiresAt;
    // bit 2: packages can be added; bit 1: keys are cached by Intel; bit 0: SMT is on
    uint8 configuration;
    // 0 standard, 1 scalable, 2 scalable with integrity
    uint8 sgxType;
}

/// @title IPckCertificates
/// @notice Remembers PCK certificates whose chain up to the pinned root has been verified once, so that a quote of a
/// known machine costs two signature checks and no parsing.
/// @dev Anyone may add: the signatures are the only authority, and nobody can remove or replace. What this does NOT
/// check is revocation: a CRL names issuer and serial number, which are kept for the verifier that reads CRLs.
/// Whoever relies on a certificate compares `expiresAt` with the time of use.
interface IPckCertificates {
    /// @notice The root was pinned. Everything that chains to it can be rebuilt from these three events.
    event RootPinned(bytes32 indexed rootId, bytes der);
    /// @notice An authority's certificate was verified and stored.
    event AuthorityAdded(bytes32 indexed authorityId, uint256 indexed index, bytes der);
    /// @notice A machine's PCK certificate was verified and stored. `platformId` is keccak256(PPID).
    event PckCertificateAdded(
        bytes32 indexed pckId, bytes32 indexed authorityId, bytes32 indexed platformId, bytes der
    );

    /// @notice The certificate of a signer of TCB info and QE identities was verified and stored.
    event CollateralSignerAdded(bytes32 indexed signerId, uint256 indexed index, bytes der);

    /// @notice The certificate to pin as the root isn't one: it isn't an authority, or names another issuer. Or one of
    /// the root's name stands where an authority below it is needed.
    error RootInvalid(bytes32 rootId);
    /// @notice No authority has that id (keccak256 of its tbsCertificate). Add its certificate first.
    error AuthorityUnknown(bytes32 authorityId);
    /// @notice No signer of collateral has that id. Add its certificate first.
    error CollateralSignerUnknown(bytes32 signerId);
    /// @notice There are as many certificates below the root as a revocation mask has room for.
    error TooManyCertificates(uint256 max);
    /// @notice A PCK certificate where a signer of collateral is needed.
    error NotACollateralSigner(bytes32 id);
    /// @notice No PCK certificate has that id. Add it first.
    error PckCertificateUnknown(bytes32 pckId);
    /// @notice A leaf where an authority is needed, or an authority where a leaf is needed.
    error CertificateKindWrong(bytes32 id, bool isAuthority);
    /// @notice The certificate names another issuer than the one it is checked against. Hashes of the names' DER.
    error IssuerMismatch(bytes32 id, bytes32 issuer, bytes32 expected);
    /// @notice The issuer's key didn't make that signature.
    error CertificateSignatureInvalid(bytes32 id);
    /// @notice Block time is outside the validity of the certificate. Unix seconds, both inclusive.
    error CertificateNotInForce(bytes32 id, uint256 notBefore, uint256 notAfter);
    /// @notice The issuer's certificate, or the root's, has ended.
    error IssuerExpired(bytes32 authorityId, uint256 expiresAt);
    /// @notice The leaf has no Intel extension, so it names no platform.
    error PlatformMissing(bytes32 id);

    /// @notice Verifies a Platform CA's certificate against the root and stores it. Does nothing if it is stored.
    /// @param der The certificate in DER.
    /// @return authorityId keccak256(tbsCertificate).
    function addAuthority(bytes calldata der) external returns (bytes32 authorityId);

    /// @notice Verifies a PCK leaf against a stored authority and stores it. Does nothing if it is stored.
    /// @param der The certificate in DER.
    /// @param authorityId The authority which signed it.
    /// @return pckId keccak256(tbsCertificate).
    function addPckCertificate(bytes calldata der, bytes32 authorityId) external returns (bytes32 pckId);

    /// @notice Verifies the certificate of a signer of TCB info and QE identities against the root and stores it. Does
    /// nothing if it is stored.
    /// @param der The certificate in DER.
    /// @return signerId keccak256(tbsCertificate).
    function addCollateralSigner(bytes calldata der) external returns (bytes32 signerId);

    /// @notice The stored leaf. Reverts with {PckCertificateUnknown}. It may have ended: see `expiresAt`.
    function pckCertificate(bytes32 pckId) external view returns (PckCertificate memory);

    /// @notice The stored authority. Reverts with {AuthorityUnknown}. It may have ended: see `expiresAt`.
    function authority(bytes32 authorityId) external view returns (Authority memory);

    /// @notice The id of the authority with that index, counted from 1; zero beyond the last.
    function authorityIdAt(uint256 index) external view returns (bytes32 authorityId);

    /// @notice Whether a leaf with that id is stored.
    function hasPckCertificate(bytes32 pckId) external view returns (bool);

    /// @notice Whether an authority with that id is stored.
    function hasAuthority(bytes32 authorityId) external view returns (bool);

    /// @notice The stored signer of collateral. Reverts with {CollateralSignerUnknown}. It may have ended.
    function collateralSigner(bytes32 signerId) external view returns (CollateralSigner memory);

    /// @notice The id of the signer of collateral with that index, counted from 1; zero beyond the last.
    function collateralSignerIdAt(uint256 index) external view returns (bytes32 signerId);

    /// @notice The pinned root: its id, its key and the second at which it ends.
    function root() external view returns (bytes32 rootId, uint256 x, uint256 y, uint40 expiresAt);

    /// @notice What a CRL names the root by: keccak256 of the DER of its name, and its serial number.
    function rootName() external view returns (bytes32 subject, uint160 serial);

    /// @notice Where the contract is whose code is the stored leaf; see {PckRecord}.
    function recordOf(bytes32 pckId) external view returns (address);
}
