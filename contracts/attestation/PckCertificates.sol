// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Authority, IPckCertificates, PckCertificate} from "./IPckCertificates.sol";
import {P256Key, P256Verification} from "./P256Verification.sol";
import {PckExtension, PckPlatform} from "./PckExtension.sol";
import {Certificate, X509} from "./X509.sol";

/// @title PckCertificates
/// @notice See {IPckCertificates}.
contract PckCertificates is IPckCertificates {
    /// @dev The one key that everything hangs from: Intel's, or a test root's.
    uint256 private immutable _ROOT_X;
    uint256 private immutable _ROOT_Y;
    bytes32 private immutable _ROOT_ID;
    bytes32 private immutable _ROOT_SUBJECT;
    uint40 private immutable _ROOT_EXPIRES_AT;
    bool private immutable _NATIVE_P256;

    uint32 private _authorityCount;
    mapping(uint256 index => bytes32 authorityId) private _authorityIds;
    mapping(bytes32 authorityId => Authority authority) private _authorities;
    mapping(bytes32 pckId => PckCertificate certificate) private _pckCertificates;

    /// @notice Pins the root for ever. Reverts unless it is a self-signed authority in force.
    /// @param rootDer Its certificate in DER.
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
        _ROOT_EXPIRES_AT = certificate.notAfter;
        emit RootPinned(certificate.id, rootDer);
    }

    /* ADDING */

    /// @inheritdoc IPckCertificates
    function addAuthority(bytes calldata der) external returns (bytes32 authorityId) {
        Certificate memory certificate = X509.parse(der);
        authorityId = certificate.id;
        // whoever was first has had it verified; a lost race is no error
        if (hasAuthority(authorityId)) return authorityId;

        if (!certificate.isAuthority) revert CertificateKindWrong({id: authorityId, isAuthority: false});
        // or what the root signs beside its authorities could pass for leaves
        if (certificate.subject == _ROOT_SUBJECT) revert RootInvalid(authorityId);
        if (block.timestamp > _ROOT_EXPIRES_AT) {
            revert IssuerExpired({authorityId: _ROOT_ID, expiresAt: _ROOT_EXPIRES_AT});
        }
        _requireIssued({certificate: certificate, issuer: _ROOT_SUBJECT, key: P256Key({x: _ROOT_X, y: _ROOT_Y})});

        // one authority costs its sender 150,000 gas: 2^32 of them are out of reach
        uint32 index = ++_authorityCount;
        _authorityIds[index] = authorityId;
        _authorities[authorityId] = Authority({
            x: certificate.key.x,
            y: certificate.key.y,
            subject: certificate.subject,
            serial: certificate.serial,
            expiresAt: _earlier(certificate.notAfter, _ROOT_EXPIRES_AT),
            index: index
        });
        emit AuthorityAdded({authorityId: authorityId, index: index, der: der});
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
        stored = _pckCertificates[pckId];
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
        return _pckCertificates[pckId].authorityIndex != 0;
    }

    /// @inheritdoc IPckCertificates
    function hasAuthority(bytes32 authorityId) public view returns (bool) {
        return _authorities[authorityId].index != 0;
    }

    /// @inheritdoc IPckCertificates
    function root() external view returns (bytes32 rootId, uint256 x, uint256 y, uint40 expiresAt) {
        return (_ROOT_ID, _ROOT_X, _ROOT_Y, _ROOT_EXPIRES_AT);
    }

    /* CHECKING */

    /// @dev In force, naming that issuer, signed by its key.
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

    function _requireInForce(Certificate memory certificate) private view {
        if (block.timestamp < certificate.notBefore || block.timestamp > certificate.notAfter) {
            revert CertificateNotInForce({
                id: certificate.id, notBefore: certificate.notBefore, notAfter: certificate.notAfter
            });
        }
    }

    function _store(Certificate memory certificate, PckPlatform memory platform, Authority memory issuer) private {
        _pckCertificates[certificate.id] = PckCertificate({
            x: certificate.key.x,
            y: certificate.key.y,
            ppid: platform.ppid,
            componentSvns: platform.componentSvns,
            fmspc: platform.fmspc,
            pceId: platform.pceId,
            pceSvn: platform.pceSvn,
            expiresAt: _earlier(certificate.notAfter, issuer.expiresAt),
            configuration: platform.configuration,
            sgxType: platform.sgxType,
            authorityIndex: issuer.index,
            // the last 88 bits are meant
            serialTail: uint88(certificate.serial)
        });
    }

    function _earlier(uint40 a, uint40 b) private pure returns (uint40) {
        return a < b ? a : b;
    }
}
