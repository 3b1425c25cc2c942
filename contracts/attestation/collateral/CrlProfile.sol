// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICrlReader} from "../../interfaces/attestation/ICrlReader.sol";
import {CertificateTime} from "../certificates/CertificateTime.sol";
import {Der} from "../certificates/Der.sol";

/// @title CrlProfile
/// @notice The parts of a CRL that {CrlReader} and {LongCrls} check alike.
/// @dev Source: RFC 5280 section 5; Intel SGX PCK Certificate and CRL Profile Specification 1.5.
library CrlProfile {
    using Der for bytes;

    /// @dev INTEGER 1
    bytes3 internal constant VERSION_2 = hex"020101";
    /// @dev SEQUENCE { OID ecdsa-with-SHA256 }
    bytes12 internal constant ECDSA_WITH_SHA256 = hex"300a06082a8648ce3d040302";

    uint8 private constant EXPLICIT_EXTENSIONS = 0xa0;
    // SEQUENCE { SEQUENCE { OID reason code, OCTET STRING { ENUMERATED, one byte } } }
    bytes13 private constant REASON = hex"300c300a0603551d1504030a01";
    // OID CRL number
    bytes5 private constant CRL_NUMBER = hex"0603551d14";
    // SEQUENCE { OID authority key identifier, OCTET STRING { SEQUENCE { [0] 20 bytes } } }
    bytes13 private constant KEY_IDENTIFIER = hex"301f0603551d23041830168014";

    /// @notice Reverts unless [offset, end) is the one extension that an entry may have.
    function requireReason(bytes memory der, uint256 offset, uint256 end) internal pure {
        uint256 position = der.skip({offset: offset, end: end, expected: REASON, size: 13});
        uint256 reason = der.word(position) >> 248;
        // RFC 5280 section 5.3.1: 7 is unused, and 8 is only for delta lists
        if (reason > 10 || reason == 7 || reason == 8) revert ICrlReader.RevocationReasonInvalid(position);
        Der.requireEnd(position + 1, end);
    }

    /// @notice Reverts unless `der` is what follows an entry's serial number: UTCTime, optionally a reason.
    function requireEnding(bytes memory der) internal pure {
        (, uint256 position) = CertificateTime.read({der: der, offset: 0, end: der.length});
        if (position != der.length) requireReason({der: der, offset: position, end: der.length});
    }

    /// @notice Reverts unless [offset, end) is [0] { SEQUENCE { CRL number, authority key identifier } }, as in all
    /// CRLs of Intel.
    function requireExtensions(bytes memory der, uint256 offset, uint256 end) internal pure {
        offset = der.enterLast({offset: offset, end: end, tag: EXPLICIT_EXTENSIONS});
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});
        uint256 next;
        (offset, next) = der.enter({offset: offset, end: end, tag: Der.SEQUENCE});
        offset = der.skip({offset: offset, end: next, expected: CRL_NUMBER, size: 5});
        offset = der.enterLast({offset: offset, end: next, tag: Der.OCTET_STRING});
        uint256 number;
        (number, offset) = der.readInteger({offset: offset, end: next});
        // RFC 5280 section 5.2.3: at most 20 octets
        if (number > uint160(type(int160).max)) revert Der.DerValueUnexpected(offset);
        Der.requireEnd(offset, next);
        offset = der.skip({offset: next, end: end, expected: KEY_IDENTIFIER, size: 13}) + 20;
        Der.requireEnd(offset, end);
    }
}
