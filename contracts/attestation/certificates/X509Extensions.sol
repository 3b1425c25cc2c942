// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @title X509Extensions
/// @notice Reads the extensions of a certificate: whether it may sign others, and where Intel's own extension is.
/// @dev Key identifiers and the CRL's address have no effect. Extensions outside Intel's profile are refused, critical
/// or not: one that restricts a certificate's use (extended key usage, name constraints) would restrict every other
/// verifier. An authority's certificate must say so twice (basic constraints and key usage), and a leaf must say twice
/// that it is no authority.
library X509Extensions {
    using Der for bytes;

    /// @notice The extension at `offset` is not in Intel's profile.
    error ExtensionUnknown(uint256 offset);
    /// @notice The extension at `offset` occurs a second time.
    error ExtensionRepeated(uint256 offset);
    /// @notice Basic constraints or key usage is missing.
    error ExtensionMissing();
    /// @notice Basic constraints and key usage (its first octet) contradict each other, or allow too much.
    error KeyUsageInvalid(bool isAuthority, uint8 keyUsage);

    /// @notice The content of the extensions.
    struct ParsedExtensions {
        bool isAuthority;
        uint8 keyUsage;
        // the extensions seen so far: bit n for 2.5.29.n, bit 0 for Intel's
        uint256 seen;
        uint256 sgxStart;
        uint256 sgxEnd;
    }

    // 2.5.29.n, without n
    bytes2 private constant CERTIFICATE_EXTENSION = hex"551d";
    uint256 private constant SUBJECT_KEY = 14;
    uint256 private constant KEY_USAGE = 15;
    uint256 private constant BASIC_CONSTRAINTS = 19;
    uint256 private constant DISTRIBUTION_POINTS = 31;
    uint256 private constant AUTHORITY_KEY = 35;
    // OCTET STRING (20); SEQUENCE { [0] 20 bytes }
    bytes2 private constant SUBJECT_KEY_IDENTIFIER = hex"0414";
    bytes4 private constant AUTHORITY_KEY_IDENTIFIER = hex"30168014";
    // 1.2.840.113741.1.13.1
    bytes9 private constant SGX_EXTENSION = hex"2a864886f84d010d01";
    uint256 private constant SGX = 0;

    uint8 private constant DIGITAL_SIGNATURE = 0x80;
    uint8 private constant KEY_CERT_SIGN = 0x04;
    uint8 private constant CRL_SIGN = 0x02;
    uint256 private constant MAX_PATH_LENGTH = 255;

    /// @notice Reads the extensions, which fill [offset, end).
    function read(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (ParsedExtensions memory parsed)
    {
        while (offset < end) {
            uint256 content;
            (content, offset) = der.enter({offset: offset, end: end, tag: Der.SEQUENCE});
            _readExtension({der: der, offset: content, end: offset, parsed: parsed});
        }
        uint256 needed = (1 << KEY_USAGE) | (1 << BASIC_CONSTRAINTS);
        if (parsed.seen & needed != needed) revert ExtensionMissing();
        bool maySign = parsed.keyUsage & KEY_CERT_SIGN != 0;
        bool fits = parsed.isAuthority
            ? maySign && parsed.keyUsage & CRL_SIGN != 0
            : !maySign && parsed.keyUsage & DIGITAL_SIGNATURE != 0;
        if (!fits) revert KeyUsageInvalid(parsed.isAuthority, parsed.keyUsage);
    }

    /// @dev OID, BOOLEAN critical if true, OCTET STRING.
    function _readExtension(bytes memory der, uint256 offset, uint256 end, ParsedExtensions memory parsed)
        private
        pure
    {
        (uint256 oid, uint256 next) = der.enter({offset: offset, end: end, tag: Der.OBJECT_IDENTIFIER});
        (bool known, uint256 name) = _identify(der.word(oid), next - oid);
        if (!known) revert ExtensionUnknown(offset);
        if (parsed.seen & (1 << name) != 0) revert ExtensionRepeated(offset);
        parsed.seen |= 1 << name;
        if (der.word(next) >> 248 == Der.BOOLEAN) {
            bool critical;
            uint256 flag = next;
            (critical, next) = der.readBoolean({offset: next, end: end});
            // false is the default, which DER omits
            if (!critical) revert Der.DerValueUnexpected(flag);
        }
        uint256 content = der.enterLast({offset: next, end: end, tag: Der.OCTET_STRING});
        _parseContent({der: der, offset: content, end: end, name: name, parsed: parsed});
    }

    /// @dev The last arc of 2.5.29.n (below 128, so one octet), {SGX} for Intel's.
    function _identify(uint256 oid, uint256 size) private pure returns (bool known, uint256 name) {
        if (size == 3 && bytes2(bytes32(oid)) == CERTIFICATE_EXTENSION) {
            name = (oid >> 232) & 0xff;
            known = name == SUBJECT_KEY || name == KEY_USAGE || name == BASIC_CONSTRAINTS
                || name == DISTRIBUTION_POINTS || name == AUTHORITY_KEY;
        } else {
            known = size == 9 && bytes9(bytes32(oid)) == SGX_EXTENSION;
            name = SGX;
        }
    }

    /// @dev The content of the extension's OCTET STRING.
    function _parseContent(bytes memory der, uint256 offset, uint256 end, uint256 name, ParsedExtensions memory parsed)
        private
        pure
    {
        if (name == SGX) (parsed.sgxStart, parsed.sgxEnd) = (offset, end);
        if (name == BASIC_CONSTRAINTS) parsed.isAuthority = _readBasicConstraints(der, offset, end);
        if (name == KEY_USAGE) parsed.keyUsage = _readKeyUsage(der, offset, end);
        // The rest has no effect; the checks only ensure that other parsers can read every stored certificate.
        if (name == SUBJECT_KEY) Der.requireEnd(der.skip(offset, end, SUBJECT_KEY_IDENTIFIER, 2) + 20, end);
        if (name == AUTHORITY_KEY) Der.requireEnd(der.skip(offset, end, AUTHORITY_KEY_IDENTIFIER, 4) + 20, end);
        if (name == DISTRIBUTION_POINTS) _requireDistributionPoint(der, offset, end);
    }

    /// @dev SEQUENCE { SEQUENCE { [0] { [0] { [6] address } } } }: one point, one address.
    function _requireDistributionPoint(bytes memory der, uint256 offset, uint256 end) private pure {
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});
        offset = der.enterLast({offset: offset, end: end, tag: 0xa0});
        offset = der.enterLast({offset: offset, end: end, tag: 0xa0});
        der.enterLast({offset: offset, end: end, tag: 0x86});
    }

    /// @dev SEQUENCE {} for a leaf; SEQUENCE { TRUE, INTEGER pathLength (optional) } for an authority.
    function _readBasicConstraints(bytes memory der, uint256 offset, uint256 end)
        private
        pure
        returns (bool isAuthority)
    {
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});
        if (offset == end) return false;
        (isAuthority, offset) = der.readBoolean({offset: offset, end: end});
        if (!isAuthority) revert Der.DerValueUnexpected(offset);
        if (offset == end) return isAuthority;
        // Every chain here is root, authority, leaf, which no path length of an authority forbids.
        uint256 pathLength;
        (pathLength, offset) = der.readInteger({offset: offset, end: end});
        if (pathLength > MAX_PATH_LENGTH) revert Der.DerValueUnexpected(offset);
        Der.requireEnd(offset, end);
    }

    /// @dev BIT STRING { unused bits, one octet }. A second octet would hold decipherOnly, which Intel does not use.
    function _readKeyUsage(bytes memory der, uint256 offset, uint256 end) private pure returns (uint8 keyUsage) {
        uint256 content = der.enterLast({offset: offset, end: end, tag: Der.BIT_STRING});
        uint256 header = der.word(content);
        uint256 unused = header >> 248;
        keyUsage = uint8(header >> 240);
        // in DER, unused bits are zero and the last used bit is one
        bool canonical = unused < 8 && keyUsage & ((1 << (unused + 1)) - 1) == 1 << unused;
        if (end - content != 2 || !canonical) revert Der.DerValueUnexpected(offset);
    }
}
