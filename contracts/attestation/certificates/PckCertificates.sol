// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    Authority,
    CollateralSigner,
    IPckCertificates,
    PckCertificate
} from "../../interfaces/attestation/IPckCertificates.sol";
import {P256Key, P256Verification} from "../../libraries/P256Verification.sol";
import {PckExtension, PckPlatform} from "./PckExtension.sol";
import {PckRecord} from "./PckRecord.sol";
import {Certificate, X509} from "./X509.sol";

/// @title PckCertificates
/// @notice See {IPckCertificates}.
contract PckCertificates is IPckCertificates {
    /// @dev The root of all trust: Intel's key, or a test root's.
    uint256 private immutable _ROOT_X;
    uint256 private immutable _ROOT_Y;
    bytes32 private immutable _ROOT_ID;
    bytes32 private immutable _ROOT_SUBJECT;
    uint160 private immutable _ROOT_SERIAL;
    uint40 private immutable _ROOT_EXPIRES_AT;
    uint256 private immutable _ROOT_BLOCK;
    bool private immutable _NATIVE_P256;

    /// @dev As many as a revocation mask has bits. Intel has two authorities and one signer.
    uint256 private constant _MAX_BELOW_ROOT = 32;

    uint16 private _authorityCount;
    uint16 private _signerCount;
    mapping(uint256 index => bytes32 authorityId) private _authorityIds;
    mapping(bytes32 authorityId => Authority authority) private _authorities;
    mapping(bytes32 authorityId => uint256 number) private _authorityBlocks;
    mapping(uint256 index => bytes32 signerId) private _signerIds;
    mapping(bytes32 signerId => CollateralSigner signer) private _signers;

    /// @notice Pins the root forever. Reverts unless it is a self-signed authority that is valid now.
    /// @param rootDer The root's certificate in DER.
    constructor(bytes memory rootDer) {
        _NATIVE_P256 = P256Verification.detect();
        Certificate memory certificate = X509.parse(rootDer);
        if (!certificate.isAuthority || certificate.issuer != certificate.subject) revert RootInvalid(certificate.id);
        _requireInForce(certificate);
        bool signed = P256Verification.verify({
            native: _NATIVE_P256, digest: certificate.digest, signature: certificate.signature, key: certificate.key
        });
        if (!signed) revert CertificateSignatureInvalid(certificate.id);
        (_ROOT_X, _ROOT_Y) = (certificate.key.x, certificate.key.y);
        (_ROOT_ID, _ROOT_SUBJECT) = (certificate.id, certificate.subject);
        (_ROOT_SERIAL, _ROOT_EXPIRES_AT) = (certificate.serial, certificate.notAfter);
        _ROOT_BLOCK = block.number;
        emit RootPinned(certificate.id, rootDer);
    }

    /* ADDING */

    /// @inheritdoc IPckCertificates
    function addAuthority(bytes calldata der) external returns (bytes32 authorityId) {
        Certificate memory certificate = X509.parse(der);
        authorityId = certificate.id;
        // it was verified when it was stored; losing a race is not an error
        if (hasAuthority(authorityId)) return authorityId;

        if (!certificate.isAuthority) revert CertificateKindWrong({id: authorityId, isAuthority: false});
        // otherwise, leaves that the root itself signs could pass for PCK leaves of this authority
        if (certificate.subject == _ROOT_SUBJECT) revert RootInvalid(authorityId);
        _requireIssuedByRoot(certificate);

        uint16 index = ++_authorityCount;
        if (index > _MAX_BELOW_ROOT) revert TooManyCertificates(_MAX_BELOW_ROOT);
        _authorityIds[index] = authorityId;
        _authorities[authorityId] = Authority({
            x: certificate.key.x,
            y: certificate.key.y,
            subject: certificate.subject,
            serial: certificate.serial,
            expiresAt: _earlier(certificate.notAfter, _ROOT_EXPIRES_AT),
            index: index
        });
        _authorityBlocks[authorityId] = block.number;
        emit AuthorityAdded({authorityId: authorityId, index: index, der: der});
    }

    /// @inheritdoc IPckCertificates
    function addCollateralSigner(bytes calldata der) external returns (bytes32 signerId) {
        Certificate memory certificate = X509.parse(der);
        signerId = certificate.id;
        if (_signers[signerId].index != 0) return signerId;

        if (certificate.isAuthority) revert CertificateKindWrong({id: signerId, isAuthority: true});
        if (certificate.sgxStart != certificate.sgxEnd) revert NotACollateralSigner(signerId);
        _requireIssuedByRoot(certificate);

        uint16 index = ++_signerCount;
        if (index > _MAX_BELOW_ROOT) revert TooManyCertificates(_MAX_BELOW_ROOT);
        _signerIds[index] = signerId;
        _signers[signerId] = CollateralSigner({
            x: certificate.key.x,
            y: certificate.key.y,
            serial: certificate.serial,
            expiresAt: _earlier(certificate.notAfter, _ROOT_EXPIRES_AT),
            index: index
        });
        emit CollateralSignerAdded({signerId: signerId, index: index, der: der});
    }

    /// @inheritdoc IPckCertificates
    function addPckCertificate(bytes calldata der, bytes32 authorityId) external returns (bytes32 pckId) {
        Certificate memory certificate = X509.parse(der);
        pckId = certificate.id;
        if (hasPckCertificate(pckId)) return pckId;

        if (certificate.isAuthority) revert CertificateKindWrong({id: pckId, isAuthority: true});
        Authority memory issuer = authority(authorityId);
        if (block.timestamp > issuer.expiresAt) revert IssuerExpired(authorityId, issuer.expiresAt);
        _requireIssued({certificate: certificate, issuer: issuer.subject, key: P256Key({x: issuer.x, y: issuer.y})});

        if (certificate.sgxStart == certificate.sgxEnd) revert PlatformMissing(pckId);
        PckPlatform memory platform =
            PckExtension.parse({der: der, offset: certificate.sgxStart, end: certificate.sgxEnd});
        _store({certificate: certificate, platform: platform, issuer: issuer});
        emit PckCertificateAdded({
            pckId: pckId, authorityId: authorityId, platformId: keccak256(abi.encodePacked(platform.ppid)), der: der
        });
    }

    /* READING */

    /// @inheritdoc IPckCertificates
    function pckCertificate(bytes32 pckId) external view returns (PckCertificate memory stored) {
        stored = PckRecord.read(address(this), pckId);
        if (stored.authorityIndex == 0) revert PckCertificateUnknown(pckId);
    }

    /// @inheritdoc IPckCertificates
    function authority(bytes32 authorityId) public view returns (Authority memory stored) {
        stored = _authorities[authorityId];
        if (stored.index == 0) revert AuthorityUnknown(authorityId);
    }

    /// @inheritdoc IPckCertificates
    function authorityIdAt(uint256 index) external view returns (bytes32 authorityId) {
        return _authorityIds[index];
    }

    /// @inheritdoc IPckCertificates
    function hasPckCertificate(bytes32 pckId) public view returns (bool) {
        return recordOf(pckId).code.length != 0;
    }

    /// @inheritdoc IPckCertificates
    function hasAuthority(bytes32 authorityId) public view returns (bool) {
        return _authorities[authorityId].index != 0;
    }

    /// @inheritdoc IPckCertificates
    function addedInBlock(bytes32 id) external view returns (uint256) {
        if (id == _ROOT_ID) return _ROOT_BLOCK;
        uint256 number = _authorityBlocks[id];
        return number == 0 ? PckRecord.readBlock(address(this), id) : number;
    }

    /// @inheritdoc IPckCertificates
    function collateralSigner(bytes32 signerId) external view returns (CollateralSigner memory stored) {
        stored = _signers[signerId];
        if (stored.index == 0) revert CollateralSignerUnknown(signerId);
    }

    /// @inheritdoc IPckCertificates
    function collateralSignerIdAt(uint256 index) external view returns (bytes32 signerId) {
        return _signerIds[index];
    }

    /// @inheritdoc IPckCertificates
    function recordOf(bytes32 pckId) public view returns (address) {
        return PckRecord.addressOf(address(this), pckId);
    }

    /// @notice The content of the record that is being created; see {PckRecord}. Zeros at any other time.
    function pendingRecord() external view {
        assembly ("memory-safe") {
            let record := mload(0x40)
            for { let i := 0 } lt(i, 0xa0) { i := add(i, 0x20) } { mstore(add(record, i), tload(i)) }
            // PckRecord.BYTES
            return(record, 140)
        }
    }

    /// @inheritdoc IPckCertificates
    function rootName() external view returns (bytes32 subject, uint160 serial) {
        return (_ROOT_SUBJECT, _ROOT_SERIAL);
    }

    /// @inheritdoc IPckCertificates
    function root() external view returns (bytes32 rootId, uint256 x, uint256 y, uint40 expiresAt) {
        return (_ROOT_ID, _ROOT_X, _ROOT_Y, _ROOT_EXPIRES_AT);
    }

    /* CHECKS */

    /// @dev Reverts unless the certificate names this issuer, is valid now, and is signed by the issuer's key.
    function _requireIssued(Certificate memory certificate, bytes32 issuer, P256Key memory key) private view {
        if (certificate.issuer != issuer) {
            revert IssuerMismatch({id: certificate.id, issuer: certificate.issuer, expected: issuer});
        }
        _requireInForce(certificate);
        bool signed = P256Verification.verify({
            native: _NATIVE_P256, digest: certificate.digest, signature: certificate.signature, key: key
        });
        if (!signed) revert CertificateSignatureInvalid(certificate.id);
    }

    /// @dev The root's own validity is checked too: a certificate can outlive it.
    function _requireIssuedByRoot(Certificate memory certificate) private view {
        if (block.timestamp > _ROOT_EXPIRES_AT) {
            revert IssuerExpired({authorityId: _ROOT_ID, expiresAt: _ROOT_EXPIRES_AT});
        }
        _requireIssued({certificate: certificate, issuer: _ROOT_SUBJECT, key: P256Key({x: _ROOT_X, y: _ROOT_Y})});
    }

    /// @dev Both dates are inclusive.
    function _requireInForce(Certificate memory certificate) private view {
        if (block.timestamp < certificate.notBefore || block.timestamp > certificate.notAfter) {
            revert CertificateNotInForce({
                id: certificate.id, notBefore: certificate.notBefore, notAfter: certificate.notAfter
            });
        }
    }

    /// @dev Stores a leaf as a record: the record's constructor calls {pendingRecord}.
    function _store(Certificate memory certificate, PckPlatform memory platform, Authority memory issuer) private {
        bytes memory record = PckRecord.encode(
            PckCertificate({
                x: certificate.key.x,
                y: certificate.key.y,
                ppid: platform.ppid,
                componentSvns: platform.componentSvns,
                serial: certificate.serial,
                fmspc: platform.fmspc,
                pceId: platform.pceId,
                pceSvn: platform.pceSvn,
                authorityIndex: issuer.index,
                expiresAt: _earlier(certificate.notAfter, issuer.expiresAt),
                configuration: platform.configuration,
                sgxType: platform.sgxType
            })
        );
        // {pendingRecord} returns it; nothing else here uses transient storage
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 0xa0) { i := add(i, 0x20) } { tstore(i, mload(add(add(record, 0x20), i))) }
        }
        PckRecord.create(certificate.id);
    }

    function _earlier(uint40 a, uint40 b) private pure returns (uint40) {
        return a < b ? a : b;
    }
}
