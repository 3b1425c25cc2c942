// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256Key, P256Signature} from "../../libraries/P256Verification.sol";
import {CertificateTime} from "./CertificateTime.sol";
import {Der} from "./Der.sol";
import {X509Extensions} from "./X509Extensions.sol";

/// @notice The content of a certificate. Only its form has been checked.
struct Certificate {
    // keccak256(tbsCertificate): the certificate's name here. Excludes the signature, because signatures are malleable.
    bytes32 id;
    // SHA-256(tbsCertificate): what the issuer signed
    bytes32 digest;
    P256Signature signature;
    P256Key key;
    // keccak256 of the DER of the two names
    bytes32 issuer;
    bytes32 subject;
    uint160 serial;
    // Unix seconds, both inclusive
    uint40 notBefore;
    uint40 notAfter;
    bool isAuthority;
    // Intel's extension is [sgxStart, sgxEnd) of the DER; empty if there is none
    uint256 sgxStart;
    uint256 sgxEnd;
}

/// @title X509
/// @notice Reads X.509 v3 certificates in Intel's profile: ECDSA with SHA-256 over P-256 throughout.
/// @dev Source: RFC 5280; Intel SGX PCK Certificate and CRL Profile Specification 1.5. What the profile prescribes is
/// compared byte by byte; everything else is refused.
library X509 {
    using Der for bytes;

    /// @notice The certificate has more than {MAX_BYTES}.
    error CertificateTooLong(uint256 length);
    /// @notice The serial number is zero or has more than 160 bits.
    error CertificateSerialInvalid(uint256 serial);

    /// @dev Intel's have 650 to 1,280 bytes. Offsets fit into 16 bits, as {Der} requires.
    uint256 internal constant MAX_BYTES = 4096;

    uint8 private constant EXPLICIT_EXTENSIONS = 0xa3;
    uint8 private constant SET = 0x31;
    uint8 private constant UTF8_STRING = 0x0c;
    uint8 private constant PRINTABLE_STRING = 0x13;
    // OID 2.5.4.n, without n
    bytes4 private constant ATTRIBUTE = hex"06035504";

    // [0] EXPLICIT INTEGER 2: version 3
    bytes5 private constant VERSION_3 = hex"a003020102";
    // SEQUENCE { OID ecdsa-with-SHA256 }
    bytes12 private constant ECDSA_WITH_SHA256 = hex"300a06082a8648ce3d040302";
    // SEQUENCE { SEQUENCE { OID id-ecPublicKey, OID prime256v1 }, BIT STRING (no unused bits) { 04 x y } }
    bytes27 private constant P256_KEY = hex"3059301306072a8648ce3d020106082a8648ce3d03010703420004";

    /// @notice Reads a certificate. Reverts if a single byte deviates from the profile.
    function parse(bytes memory der) internal view returns (Certificate memory certificate) {
        if (der.length > MAX_BYTES) revert CertificateTooLong(der.length);
        uint256 start = der.enterLast({offset: 0, end: der.length, tag: Der.SEQUENCE});
        (uint256 tbs, uint256 tbsEnd) = der.enter({offset: start, end: der.length, tag: Der.SEQUENCE});
        certificate.id = der.keccak({start: start, end: tbsEnd});
        certificate.digest = _sha256(der, start, tbsEnd);
        _readSignature({der: der, offset: tbsEnd, end: der.length, certificate: certificate});
        tbs = _readSubjects({der: der, offset: tbs, end: tbsEnd, certificate: certificate});
        tbs = _readKey({der: der, offset: tbs, end: tbsEnd, certificate: certificate});
        tbs = der.enterLast({offset: tbs, end: tbsEnd, tag: EXPLICIT_EXTENSIONS});
        tbs = der.enterLast({offset: tbs, end: tbsEnd, tag: Der.SEQUENCE});
        X509Extensions.ParsedExtensions memory parsed = X509Extensions.read({der: der, offset: tbs, end: tbsEnd});
        certificate.isAuthority = parsed.isAuthority;
        (certificate.sgxStart, certificate.sgxEnd) = (parsed.sgxStart, parsed.sgxEnd);
    }

    /// @dev Version, serial number, algorithm, issuer, validity, subject.
    function _readSubjects(bytes memory der, uint256 offset, uint256 end, Certificate memory certificate)
        private
        pure
        returns (uint256 next)
    {
        next = der.skip({offset: offset, end: end, expected: VERSION_3, size: 5});
        uint256 serial;
        (serial, next) = der.readInteger({offset: next, end: end});
        if (serial == 0 || serial > type(uint160).max) revert CertificateSerialInvalid(serial);
        certificate.serial = uint160(serial);
        next = der.skip({offset: next, end: end, expected: ECDSA_WITH_SHA256, size: 12});
        (certificate.issuer, next) = _readName(der, next, end);
        next = _readValidity({der: der, offset: next, end: end, certificate: certificate});
        uint256 subject = next;
        (certificate.subject, next) = _readName(der, next, end);
        // only the subject's form is checked: the issuer's name must equal a subject that passed this check
        _requireName({der: der, offset: subject, end: next});
    }

    /// @dev The keccak256 of a name's DER.
    function _readName(bytes memory der, uint256 offset, uint256 end)
        private
        pure
        returns (bytes32 name, uint256 next)
    {
        (, next) = der.enter({offset: offset, end: end, tag: Der.SEQUENCE});
        name = der.keccak({start: offset, end: next});
    }

    /// @dev SEQUENCE of SET { SEQUENCE { OID 2.5.4.n, a string } }. The text has no effect; the check only ensures that
    /// no certificate is stored that other parsers could not read.
    function _requireName(bytes memory der, uint256 offset, uint256 end) private pure {
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});
        while (offset < end) {
            uint256 next;
            (offset, next) = der.enter({offset: offset, end: end, tag: SET});
            offset = der.enterLast({offset: offset, end: next, tag: Der.SEQUENCE});
            offset = der.skip({offset: offset, end: next, expected: ATTRIBUTE, size: 4});
            // n is below 128; otherwise the OID would have another octet
            if (der.word(offset) >> 255 != 0) revert Der.DerValueUnexpected(offset);
            ++offset;
            uint256 tag = der.word(offset) >> 248;
            if (tag != UTF8_STRING && tag != PRINTABLE_STRING) revert Der.DerValueUnexpected(offset);
            der.enterLast({offset: offset, end: next, tag: uint8(tag)});
            offset = next;
        }
    }

    /// @dev SEQUENCE { UTCTime notBefore, UTCTime notAfter }.
    function _readValidity(bytes memory der, uint256 offset, uint256 end, Certificate memory certificate)
        private
        pure
        returns (uint256 next)
    {
        (offset, next) = der.enter({offset: offset, end: end, tag: Der.SEQUENCE});
        (certificate.notBefore, offset) = CertificateTime.read({der: der, offset: offset, end: next});
        (certificate.notAfter, offset) = CertificateTime.read({der: der, offset: offset, end: next});
        Der.requireEnd(offset, next);
    }

    /// @dev The template, then x and y.
    function _readKey(bytes memory der, uint256 offset, uint256 end, Certificate memory certificate)
        private
        pure
        returns (uint256 next)
    {
        offset = der.skip({offset: offset, end: end, expected: P256_KEY, size: 27});
        next = offset + 64;
        if (next > end) revert Der.DerTruncated(offset);
        certificate.key = P256Key({x: der.word(offset), y: der.word(offset + 32)});
    }

    /// @dev signatureAlgorithm, then BIT STRING (no unused bits) { SEQUENCE { INTEGER r, INTEGER s } }.
    function _readSignature(bytes memory der, uint256 offset, uint256 end, Certificate memory certificate)
        private
        pure
    {
        offset = der.skip({offset: offset, end: end, expected: ECDSA_WITH_SHA256, size: 12});
        offset = der.enterLast({offset: offset, end: end, tag: Der.BIT_STRING});
        offset = der.skip({offset: offset, end: end, expected: 0, size: 1});
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});
        (certificate.signature.r, offset) = der.readInteger({offset: offset, end: end});
        (certificate.signature.s, offset) = der.readInteger({offset: offset, end: end});
        Der.requireEnd(offset, end);
    }

    /// @dev The precompile at 0x02 fails only if gas runs out, and then this call has none left either.
    function _sha256(bytes memory der, uint256 start, uint256 end) private view returns (bytes32 digest) {
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), 2, add(add(der, 0x20), start), sub(end, start), 0, 0x20)) { revert(0, 0) }
            digest := mload(0)
        }
    }
}
