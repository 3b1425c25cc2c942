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

    Authority[] private _authorities;
    mapping(bytes32 authorityId => uint32 indexFromOne) private _authorityIndex;
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
        if (_authorityIndex[authorityId] != 0) return authorityId;

        if (!certificate.isAuthority) revert CertificateKindWrong({id: authorityId, isAuthority: false});
        if (block.timestamp > _ROOT_EXPIRES_AT) {
            revert IssuerExpired({authorityId: _ROOT_ID, expiresAt: _ROOT_EXPIRES_AT});
        }
        _requireIssued({certificate: certificate, issuer: _ROOT_SUBJECT, key: P256Key({x: _ROOT_X, y: _ROOT_Y})});

        _authorities.push(
            Authority({
                x: certificate.key.x,
                y: certificate.key.y,
                subject: certificate.subject,
                id: authorityId,
                serial: certificate.serial,
                expiresAt: _earlier(certificate.notAfter, _ROOT_EXPIRES_AT)
            })
        );
        // one entry costs the sender 130,000 gas: 2^32 of them are out of reach
        _authorityIndex[authorityId] = uint32(_authorities.length);
        emit AuthorityAdded({authorityId: authorityId, authorityIndex: _authorities.length, der: der});
    }

    /// @inheritdoc IPckCertificates
    function addPckCertificate(bytes calldata der, bytes32 authorityId) external returns (bytes32 pckId) {
        Certificate memory certificate = X509.parse(der);
        pckId = certificate.id;
        if (hasPckCertificate(pckId)) return pckId;

        if (certificate.isAuthority) revert CertificateKindWrong({id: pckId, isAuthority: true});
        uint32 index = _authorityIndex[authorityId];
        if (index == 0) revert AuthorityUnknown(authorityId);
        Authority storage issuer = _authorities[index - 1];
        uint40 issuerExpiresAt = issuer.expiresAt;
        if (block.timestamp > issuerExpiresAt) revert IssuerExpired(authorityId, issuerExpiresAt);
        _requireIssued({certificate: certificate, issuer: issuer.subject, key: P256Key({x: issuer.x, y: issuer.y})});

        if (certificate.sgxStart == certificate.sgxEnd) revert PlatformMissing(pckId);
        PckPlatform memory platform =
            PckExtension.parse({der: der, offset: certificate.sgxStart, end: certificate.sgxEnd});
        bytes32 platformId = keccak256(abi.encodePacked(platform.ppid));

        _store({
            certificate: certificate,
            platform: platform,
            platformId: platformId,
            expiresAt: _earlier(certificate.notAfter, issuerExpiresAt),
            authorityIndex: index
        });
        emit PckCertificateAdded({pckId: pckId, authorityId: authorityId, platformId: platformId, der: der});
    }

    /* READING */

    /// @inheritdoc IPckCertificates
    function pckCertificate(bytes32 pckId) external view returns (PckCertificate memory) {
        if (!hasPckCertificate(pckId)) revert PckCertificateUnknown(pckId);
        return _pckCertificates[pckId];
    }

    /// @inheritdoc IPckCertificates
    function authority(bytes32 authorityId) external view returns (Authority memory) {
        uint256 index = _authorityIndex[authorityId];
        if (index == 0) revert AuthorityUnknown(authorityId);
        return _authorities[index - 1];
    }

    /// @inheritdoc IPckCertificates
    function authorityAt(uint256 authorityIndex) external view returns (Authority memory) {
        return _authorities[authorityIndex - 1];
    }

    /// @inheritdoc IPckCertificates
    function hasPckCertificate(bytes32 pckId) public view returns (bool) {
        // a stored certificate has an authority, counted from 1
        return _pckCertificates[pckId].authorityIndex != 0;
    }

    /// @inheritdoc IPckCertificates
    function hasAuthority(bytes32 authorityId) external view returns (bool) {
        return _authorityIndex[authorityId] != 0;
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

    function _store(
        Certificate memory certificate,
        PckPlatform memory platform,
        bytes32 platformId,
        uint40 expiresAt,
        uint32 authorityIndex
    ) private {
        _pckCertificates[certificate.id] = PckCertificate({
            x: certificate.key.x,
            y: certificate.key.y,
            platformId: platformId,
            componentSvns: platform.componentSvns,
            fmspc: platform.fmspc,
            pceId: platform.pceId,
            pceSvn: platform.pceSvn,
            expiresAt: expiresAt,
            configuration: platform.configuration,
            serial: certificate.serial,
            authorityIndex: authorityIndex,
            sgxType: platform.sgxType
        });
    }

    function _earlier(uint40 a, uint40 b) private pure returns (uint40) {
        return a < b ? a : b;
    }
}
