// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @title X509Extensions
/// @notice Reads the extensions of a certificate: may it sign others, and where is Intel's own.
/// @dev Identifiers and CRL address decide nothing. Extensions which aren't of Intel's profile are refused, critical or
/// not: one that limits what a certificate is good for (extended key usage, name constraints) would bind everybody
/// else. An authority's certificate must say so twice (basic constraints and key usage), and a leaf must say twice that
/// it is none.
library X509Extensions {
    using Der for bytes;

    /// @notice The extension at that offset isn't one of Intel's profile.
    error ExtensionUnknown(uint256 offset);
    /// @notice The extension at that offset is there a second time.
    error ExtensionRepeated(uint256 offset);
    /// @notice Basic constraints or key usage are missing.
    error ExtensionMissing();
    /// @notice Basic constraints and key usage (its first octet) don't fit together, or allow too much.
    error KeyUsageInvalid(bool isAuthority, uint8 keyUsage);

    /// @notice What the extensions say.
    struct Found {
        bool isAuthority;
        uint8 keyUsage;
        // which have been seen: bit n for 2.5.29.n, bit 0 for Intel's
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
    function read(bytes memory der, uint256 offset, uint256 end) internal pure returns (Found memory found) {
        while (offset < end) {
            uint256 content;
            (content, offset) = der.open({offset: offset, end: end, tag: Der.SEQUENCE});
            _readOne({der: der, offset: content, end: offset, found: found});
        }
        uint256 needed = (1 << KEY_USAGE) | (1 << BASIC_CONSTRAINTS);
        if (found.seen & needed != needed) revert ExtensionMissing();
        bool maySign = found.keyUsage & KEY_CERT_SIGN != 0;
        bool fits = found.isAuthority
            ? maySign && found.keyUsage & CRL_SIGN != 0
            : !maySign && found.keyUsage & DIGITAL_SIGNATURE != 0;
        if (!fits) revert KeyUsageInvalid(found.isAuthority, found.keyUsage);
    }

    /// @dev OID, BOOLEAN critical if true, OCTET STRING.
    function _readOne(bytes memory der, uint256 offset, uint256 end, Found memory found) private pure {
        (uint256 oid, uint256 next) = der.open({offset: offset, end: end, tag: Der.OBJECT_IDENTIFIER});
        (bool known, uint256 name) = _name(der.word(oid), next - oid);
        if (!known) revert ExtensionUnknown(offset);
        if (found.seen & (1 << name) != 0) revert ExtensionRepeated(offset);
        found.seen |= 1 << name;
        if (der.word(next) >> 248 == Der.BOOLEAN) {
            bool critical;
            uint256 flag = next;
            (critical, next) = der.boolean({offset: next, end: end});
            // false is the default, and DER leaves a default out
            if (!critical) revert Der.DerValueUnexpected(flag);
        }
        uint256 content = der.openLast({offset: next, end: end, tag: Der.OCTET_STRING});
        _keep({der: der, offset: content, end: end, name: name, found: found});
    }

    /// @dev The last arc of 2.5.29.n (below 128, so one octet), {SGX} for Intel's.
    function _name(uint256 oid, uint256 size) private pure returns (bool known, uint256 name) {
        if (size == 3 && bytes2(bytes32(oid)) == CERTIFICATE_EXTENSION) {
            name = (oid >> 232) & 0xff;
            known = name == SUBJECT_KEY || name == KEY_USAGE || name == BASIC_CONSTRAINTS
                || name == DISTRIBUTION_POINTS || name == AUTHORITY_KEY;
        } else {
            known = size == 9 && bytes9(bytes32(oid)) == SGX_EXTENSION;
            name = SGX;
        }
    }

    function _keep(bytes memory der, uint256 offset, uint256 end, uint256 name, Found memory found) private pure {
        if (name == SGX) (found.sgxStart, found.sgxEnd) = (offset, end);
        if (name == BASIC_CONSTRAINTS) found.isAuthority = _readBasicConstraints(der, offset, end);
        if (name == KEY_USAGE) found.keyUsage = _readKeyUsage(der, offset, end);
        // What follows decides nothing, but no certificate is stored that others couldn't read.
        if (name == SUBJECT_KEY) Der.finish(der.skip(offset, end, SUBJECT_KEY_IDENTIFIER, 2) + 20, end);
        if (name == AUTHORITY_KEY) Der.finish(der.skip(offset, end, AUTHORITY_KEY_IDENTIFIER, 4) + 20, end);
        if (name == DISTRIBUTION_POINTS) _requireDistributionPoint(der, offset, end);
    }

    /// @dev SEQUENCE { SEQUENCE { [0] { [0] { [6] address } } } }: one point, one address.
    function _requireDistributionPoint(bytes memory der, uint256 offset, uint256 end) private pure {
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});
        offset = der.openLast({offset: offset, end: end, tag: 0xa0});
        offset = der.openLast({offset: offset, end: end, tag: 0xa0});
        der.openLast({offset: offset, end: end, tag: 0x86});
    }

    /// @dev SEQUENCE {} for a leaf; SEQUENCE { TRUE, INTEGER pathLength (optional) } for an authority.
    function _readBasicConstraints(bytes memory der, uint256 offset, uint256 end)
        private
        pure
        returns (bool isAuthority)
    {
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});
        if (offset == end) return false;
        (isAuthority, offset) = der.boolean({offset: offset, end: end});
        if (!isAuthority) revert Der.DerValueUnexpected(offset);
        if (offset == end) return isAuthority;
        // Every chain here is root, authority, leaf: no path length of an authority rules that out.
        uint256 pathLength;
        (pathLength, offset) = der.integer({offset: offset, end: end});
        if (pathLength > MAX_PATH_LENGTH) revert Der.DerValueUnexpected(offset);
        Der.finish(offset, end);
    }

    /// @dev BIT STRING { unused bits, one octet }. A second octet would hold decipherOnly, which nobody here needs.
    function _readKeyUsage(bytes memory der, uint256 offset, uint256 end) private pure returns (uint8 keyUsage) {
        uint256 content = der.openLast({offset: offset, end: end, tag: Der.BIT_STRING});
        uint256 head = der.word(content);
        uint256 unused = head >> 248;
        keyUsage = uint8(head >> 240);
        // DER: the unused bits are zero, and the last used one is not
        bool canonical = unused < 8 && keyUsage & ((1 << (unused + 1)) - 1) == 1 << unused;
        if (end - content != 2 || !canonical) revert Der.DerValueUnexpected(offset);
    }
}
