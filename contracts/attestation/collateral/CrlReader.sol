// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Crl, ICrlReader} from "../../interfaces/attestation/ICrlReader.sol";
import {CertificateTime} from "../certificates/CertificateTime.sol";
import {Der} from "../certificates/Der.sol";
import {LibSort} from "solady/utils/LibSort.sol";

/// @title CrlReader
/// @notice See {ICrlReader}. A contract of its own, because the verifier has no room for it.
/// @dev Source: RFC 5280 section 5; Intel SGX PCK Certificate and CRL Profile Specification 1.5. CRL number and
/// authority key identifier are stepped over: Intel's number is always 1, and who signed is decided by the signature.
contract CrlReader is ICrlReader {
    using Der for bytes;

    /// @dev {Der} knows lengths up to 65,535, some 1,200 entries. Intel's have 60.
    uint256 private constant _MAX_BYTES = 65_535;

    uint8 private constant _EXPLICIT_EXTENSIONS = 0xa0;

    // INTEGER 1, version 2; SEQUENCE { OID ecdsa-with-SHA256 }
    bytes3 private constant _VERSION_2 = hex"020101";
    bytes12 private constant _ECDSA_WITH_SHA256 = hex"300a06082a8648ce3d040302";
    // SEQUENCE { SEQUENCE { OID reason code, OCTET STRING { ENUMERATED, one byte } } }
    bytes13 private constant _REASON = hex"300c300a0603551d1504030a01";
    // OID CRL number
    bytes5 private constant _CRL_NUMBER = hex"0603551d14";
    // SEQUENCE { OID authority key identifier, OCTET STRING { SEQUENCE { [0] 20 bytes } } }
    bytes13 private constant _KEY_IDENTIFIER = hex"301f0603551d23041830168014";

    /// @inheritdoc ICrlReader
    function read(bytes calldata encoded) external pure returns (Crl memory crl) {
        if (encoded.length > _MAX_BYTES) revert CrlTooLong(encoded.length);
        bytes memory der = encoded;
        uint256 start = der.openLast({offset: 0, end: der.length, tag: Der.SEQUENCE});
        (uint256 place, uint256 end) = der.open({offset: start, end: der.length, tag: Der.SEQUENCE});
        crl.digest = sha256(encoded[start:end]);
        _readSignature({der: der, offset: end, crl: crl});
        place = der.skip({offset: place, end: end, expected: _VERSION_2, size: 3});
        place = der.skip({offset: place, end: end, expected: _ECDSA_WITH_SHA256, size: 12});
        uint256 next;
        (, next) = der.open({offset: place, end: end, tag: Der.SEQUENCE});
        crl.issuer = der.keccak({start: place, end: next});
        (crl.thisUpdate, next) = CertificateTime.read({der: der, offset: next, end: end});
        (crl.nextUpdate, next) = CertificateTime.read({der: der, offset: next, end: end});
        // the list is left out when it is empty
        if (der.word(next) >> 248 == Der.SEQUENCE) {
            (place, next) = der.open({offset: next, end: end, tag: Der.SEQUENCE});
            // an empty one has to be left out
            if (place == next) revert Der.DerValueUnexpected(place);
            crl.serials = _readRevoked({der: der, offset: place, end: next});
        }
        _readExtensions({der: der, offset: next, end: end});
    }

    /// @dev signatureAlgorithm, then BIT STRING (no unused bits) { SEQUENCE { INTEGER r, INTEGER s } }.
    function _readSignature(bytes memory der, uint256 offset, Crl memory crl) private pure {
        uint256 end = der.length;
        offset = der.skip({offset: offset, end: end, expected: _ECDSA_WITH_SHA256, size: 12});
        offset = der.openLast({offset: offset, end: end, tag: Der.BIT_STRING});
        offset = der.skip({offset: offset, end: end, expected: 0, size: 1});
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});
        (crl.r, offset) = der.integer({offset: offset, end: end});
        (crl.s, offset) = der.integer({offset: offset, end: end});
        Der.finish(offset, end);
    }

    /// @dev SEQUENCE { INTEGER serial, UTCTime, extensions with the reason or nothing } for each.
    function _readRevoked(bytes memory der, uint256 offset, uint256 end) private pure returns (bytes memory) {
        // the shortest entry has 20 bytes
        uint256[] memory serials = new uint256[]((end - offset) / 20);
        uint256 count;
        uint256 lastDate;
        while (offset < end) {
            uint256 place;
            uint256 next;
            (place, next) = der.open({offset: offset, end: end, tag: Der.SEQUENCE});
            (serials[count], place) = der.integer({offset: place, end: next});
            if (serials[count] == 0 || serials[count] > type(uint160).max) {
                revert RevokedSerialInvalid(serials[count]);
            }
            ++count;
            // Intel writes the same date into all entries
            uint256 date = der.word(place) >> 136;
            if (date == lastDate && place + 15 <= next) {
                place += 15;
            } else {
                (, place) = CertificateTime.read({der: der, offset: place, end: next});
                lastDate = date;
            }
            if (place != next) _readReason({der: der, offset: place, end: next});
            offset = next;
        }
        return _ascending(serials, count);
    }

    function _readReason(bytes memory der, uint256 offset, uint256 end) private pure {
        uint256 place = der.skip({offset: offset, end: end, expected: _REASON, size: 13});
        uint256 reason = der.word(place) >> 248;
        // RFC 5280 section 5.3.1: 7 isn't used, and 8 takes back what a delta list says
        if (reason > 10 || reason == 7 || reason == 8) revert RevocationReasonInvalid(place);
        Der.finish(place + 1, end);
    }

    function _ascending(uint256[] memory serials, uint256 count) private pure returns (bytes memory packed) {
        assembly ("memory-safe") {
            mstore(serials, count)
        }
        LibSort.sort(serials);
        packed = new bytes(20 * count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 serial = serials[i];
            assembly ("memory-safe") {
                // the next one overwrites what lies behind; the last one's 12 spare bytes are in the word before
                let slot_ := add(packed, add(0x14, mul(i, 20)))
                mstore(slot_, or(shl(160, shr(160, mload(slot_))), serial))
            }
        }
    }

    /// @dev [0] { SEQUENCE { CRL number, authority key identifier } }, as in all of Intel's.
    function _readExtensions(bytes memory der, uint256 offset, uint256 end) private pure {
        offset = der.openLast({offset: offset, end: end, tag: _EXPLICIT_EXTENSIONS});
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});
        uint256 next;
        (offset, next) = der.open({offset: offset, end: end, tag: Der.SEQUENCE});
        offset = der.skip({offset: offset, end: next, expected: _CRL_NUMBER, size: 5});
        offset = der.openLast({offset: offset, end: next, tag: Der.OCTET_STRING});
        uint256 number;
        (number, offset) = der.integer({offset: offset, end: next});
        // RFC 5280 section 5.2.3: at most 20 octets
        if (number > uint160(type(int160).max)) revert Der.DerValueUnexpected(offset);
        Der.finish(offset, next);
        offset = der.skip({offset: next, end: end, expected: _KEY_IDENTIFIER, size: 13}) + 20;
        Der.finish(offset, end);
    }
}
