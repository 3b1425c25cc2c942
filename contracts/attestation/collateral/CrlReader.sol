// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Crl, ICrlReader} from "../../interfaces/attestation/ICrlReader.sol";
import {CertificateTime} from "../certificates/CertificateTime.sol";
import {Der} from "../certificates/Der.sol";
import {CrlProfile} from "./CrlProfile.sol";
import {RevokedSerials} from "./RevokedSerials.sol";
import {LibSort} from "solady/utils/LibSort.sol";

/// @title CrlReader
/// @notice See {ICrlReader}. A separate contract, because it does not fit into the verifier's 24,576 bytes.
/// @dev Source: RFC 5280 section 5; Intel SGX PCK Certificate and CRL Profile Specification 1.5. CRL number and
/// authority key identifier are skipped: Intel's number is always 1, and only the signature shows who signed.
contract CrlReader is ICrlReader {
    using Der for bytes;

    /// @dev The longest that {Der} can read, some 1,200 entries. Intel's have 60; a longer one is for {LongCrls}.
    uint256 private constant _MAX_BYTES = 65_535;

    /// @inheritdoc ICrlReader
    function read(bytes calldata encoded) external pure returns (Crl memory crl) {
        if (encoded.length > _MAX_BYTES) revert CrlTooLong(encoded.length);
        bytes memory der = encoded;
        uint256 start = der.enterLast({offset: 0, end: der.length, tag: Der.SEQUENCE});
        (uint256 position, uint256 end) = der.enter({offset: start, end: der.length, tag: Der.SEQUENCE});
        crl.digest = sha256(encoded[start:end]);
        _readSignature({der: der, offset: end, crl: crl});
        position = der.skip({offset: position, end: end, expected: CrlProfile.VERSION_2, size: 3});
        position = der.skip({offset: position, end: end, expected: CrlProfile.ECDSA_WITH_SHA256, size: 12});
        uint256 next;
        (, next) = der.enter({offset: position, end: end, tag: Der.SEQUENCE});
        crl.issuer = der.keccak({start: position, end: next});
        (crl.thisUpdate, next) = CertificateTime.read({der: der, offset: next, end: end});
        (crl.nextUpdate, next) = CertificateTime.read({der: der, offset: next, end: end});
        // an empty list is omitted
        if (der.word(next) >> 248 == Der.SEQUENCE) {
            (position, next) = der.enter({offset: next, end: end, tag: Der.SEQUENCE});
            // an empty list must be omitted
            if (position == next) revert Der.DerValueUnexpected(position);
            crl.serials = _readRevoked({der: der, offset: position, end: next});
        }
        CrlProfile.requireExtensions({der: der, offset: next, end: end});
    }

    /// @dev signatureAlgorithm, then BIT STRING (no unused bits) { SEQUENCE { INTEGER r, INTEGER s } }.
    function _readSignature(bytes memory der, uint256 offset, Crl memory crl) private pure {
        uint256 end = der.length;
        offset = der.skip({offset: offset, end: end, expected: CrlProfile.ECDSA_WITH_SHA256, size: 12});
        offset = der.enterLast({offset: offset, end: end, tag: Der.BIT_STRING});
        offset = der.skip({offset: offset, end: end, expected: 0, size: 1});
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});
        (crl.r, offset) = der.readInteger({offset: offset, end: end});
        (crl.s, offset) = der.readInteger({offset: offset, end: end});
        Der.requireEnd(offset, end);
    }

    /// @dev Per entry SEQUENCE { INTEGER serial, UTCTime, optionally an extension with the reason }.
    function _readRevoked(bytes memory der, uint256 offset, uint256 end) private pure returns (bytes memory) {
        // the shortest entry has 20 bytes, so this is enough
        uint256[] memory serials = new uint256[]((end - offset) / 20);
        uint256 count;
        uint256 lastDate;
        while (offset < end) {
            uint256 position;
            uint256 next;
            (position, next) = der.enter({offset: offset, end: end, tag: Der.SEQUENCE});
            (serials[count], position) = der.readInteger({offset: position, end: next});
            if (serials[count] == 0 || serials[count] > type(uint160).max) {
                revert RevokedSerialInvalid(serials[count]);
            }
            ++count;
            // Intel writes the same date into all entries, so only a changed one is parsed
            uint256 date = der.word(position) >> 136;
            if (date == lastDate && position + 15 <= next) {
                position += 15;
            } else {
                (, position) = CertificateTime.read({der: der, offset: position, end: next});
                lastDate = date;
            }
            if (position != next) CrlProfile.requireReason({der: der, offset: position, end: next});
            offset = next;
        }
        assembly ("memory-safe") {
            mstore(serials, count)
        }
        LibSort.sort(serials);
        return RevokedSerials.pack(serials);
    }
}
