// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice What a PCK certificate says about one machine.
struct PckPlatform {
    // identifies the machine permanently
    bytes16 ppid;
    // one security version per component, 16 components
    bytes16 componentSvns;
    uint16 pceSvn;
    bytes2 pceId;
    // which TCB info applies
    bytes6 fmspc;
    // 0 standard, 1 scalable, 2 scalable with integrity
    uint8 sgxType;
    // bit 2: packages can be added; bit 1: keys are cached by Intel; bit 0: SMT is on
    uint8 configuration;
}

/// @title PckExtension
/// @notice Reads Intel's extension of a PCK leaf, 1.2.840.113741.1.13.1.
/// @dev Accepts all seven fields in Intel's order, and nothing else. The last two are only in leaves of the Platform
/// CA, which TDX machines have, so leaves of the Processor CA are refused. Everything but the values is fixed, and so
/// are the lengths of almost all values, so each field is compared with its template: SEQUENCE { OID, value }. Source:
/// Intel SGX PCK Certificate and CRL Profile Specification 1.5, section 1.3.5.
library PckExtension {
    using Der for bytes;

    /// @notice Security version `number` (17 is the PCE's) is not a minimal INTEGER in its range.
    error SecurityVersionInvalid(uint256 number);

    // SEQUENCE { OID 1.2.840.113741.1.13.1.n, tag and length of the value }, per field
    bytes16 private constant PPID = hex"301e060a2a864886f84d010d01010410";
    bytes12 private constant TCB_OID = hex"060a2a864886f84d010d0102";
    bytes16 private constant PCE_ID = hex"3010060a2a864886f84d010d01030402";
    bytes16 private constant FMSPC = hex"3014060a2a864886f84d010d01040406";
    bytes16 private constant SGX_TYPE = hex"300f060a2a864886f84d010d01050a01";
    bytes16 private constant INSTANCE_ID = hex"301e060a2a864886f84d010d01060410";
    bytes16 private constant CONFIGURATION = hex"3044060a2a864886f84d010d01073036";

    // SEQUENCE { OID …1.2.n, INTEGER }, where n is byte 15: with a value of one byte, of two; OCTET STRING (16) for n =
    // 18
    bytes17 private constant VERSION_SHORT = hex"3010060b2a864886f84d010d0102000201";
    bytes17 private constant VERSION_LONG = hex"3011060b2a864886f84d010d0102000202";
    bytes17 private constant CPU_SVN = hex"301f060b2a864886f84d010d0102120410";
    // SEQUENCE { OID …1.7.n, BOOLEAN }, where n is byte 15
    bytes17 private constant FLAG = hex"3010060b2a864886f84d010d0107000101";

    uint256 private constant COMPONENTS = 16;
    // position of n in the templates above: byte 15 of 32
    uint256 private constant NUMBER_SHIFT = 8 * (32 - 15);

    /// @notice Reads the extension's content, [offset, end).
    function parse(bytes memory der, uint256 offset, uint256 end) internal pure returns (PckPlatform memory platform) {
        offset = der.enterLast({offset: offset, end: end, tag: Der.SEQUENCE});

        offset = der.skip({offset: offset, end: end, expected: PPID, size: 16});
        platform.ppid = bytes16(bytes32(der.word(offset)));
        offset = _readTcb({der: der, offset: offset + 16, end: end, platform: platform});

        offset = der.skip({offset: offset, end: end, expected: PCE_ID, size: 16});
        platform.pceId = bytes2(bytes32(der.word(offset)));
        offset = der.skip({offset: offset + 2, end: end, expected: FMSPC, size: 16});
        platform.fmspc = bytes6(bytes32(der.word(offset)));
        offset = der.skip({offset: offset + 6, end: end, expected: SGX_TYPE, size: 16});
        platform.sgxType = uint8(der.word(offset) >> 248);
        if (platform.sgxType > 2) revert Der.DerValueUnexpected(offset);
        // the instance id is skipped: a machine gets another when it is registered again, while its PPID stays
        offset = der.skip({offset: offset + 1, end: end, expected: INSTANCE_ID, size: 16}) + 16;
        offset = _readConfiguration({der: der, offset: offset, end: end, platform: platform});
        Der.requireEnd(offset, end);
    }

    /// @dev 16 component versions, the PCE's version, the CPUSVN. Intel's library uses the components, others the
    /// CPUSVN. They agree in all of Intel's leaves; a leaf in which they differ is refused.
    function _readTcb(bytes memory der, uint256 offset, uint256 end, PckPlatform memory platform)
        private
        pure
        returns (uint256 next)
    {
        (offset, next) = der.enter({offset: offset, end: end, tag: Der.SEQUENCE});
        offset = der.skip({offset: offset, end: next, expected: TCB_OID, size: 12});
        offset = der.enterLast({offset: offset, end: next, tag: Der.SEQUENCE});
        uint256 version;
        uint256 versions;
        // n ends at 17
        unchecked {
            for (uint256 n = 1; n <= COMPONENTS; ++n) {
                (version, offset) = _readVersion({der: der, offset: offset, end: next, n: n});
                if (version > type(uint8).max) revert SecurityVersionInvalid(n);
                versions = (versions << 8) | version;
            }
        }
        platform.componentSvns = bytes16(uint128(versions));
        (version, offset) = _readVersion({der: der, offset: offset, end: next, n: 17});
        platform.pceSvn = uint16(version);
        offset = der.skip({offset: offset, end: next, expected: CPU_SVN, size: 17});
        if (der.word(offset) >> 128 != versions) revert Der.DerValueUnexpected(offset);
        Der.requireEnd(offset + 16, next);
    }

    /// @dev An INTEGER of one or two bytes: 0 to 32,767.
    function _readVersion(bytes memory der, uint256 offset, uint256 end, uint256 n)
        private
        pure
        returns (uint256 version, uint256 next)
    {
        // Sums stay below 2^17, see {Der}; 17 bytes of template leave 120 bits of the word.
        unchecked {
            uint256 header = der.word(offset);
            if ((header ^ _withNumber(VERSION_SHORT, n)) >> 120 == 0) {
                (version, next) = ((header >> 112) & 0xff, offset + 18);
                if (version > 0x7f) revert SecurityVersionInvalid(n);
            } else if ((header ^ _withNumber(VERSION_LONG, n)) >> 120 == 0) {
                (version, next) = ((header >> 104) & 0xffff, offset + 19);
                if (version < 0x80 || version > 0x7fff) revert SecurityVersionInvalid(n);
            } else {
                revert Der.DerValueUnexpected(offset);
            }
            if (next > end) revert Der.DerTruncated(offset);
        }
    }

    /// @dev Three flags, in Intel's order, the first in the highest bit.
    function _readConfiguration(bytes memory der, uint256 offset, uint256 end, PckPlatform memory platform)
        private
        pure
        returns (uint256 next)
    {
        next = der.skip({offset: offset, end: end, expected: CONFIGURATION, size: 16});
        uint8 flags = 0;
        for (uint256 n = 1; n <= 3; ++n) {
            next = der.skip({offset: next, end: end, expected: bytes32(_withNumber(FLAG, n)), size: 17});
            uint256 octet = der.word(next) >> 248;
            if (octet != 0 && octet != 0xff) revert Der.DerValueUnexpected(next);
            flags = (flags << 1) | uint8(octet & 1);
            ++next;
        }
        platform.configuration = flags;
    }

    /// @dev The template with n filled in.
    function _withNumber(bytes17 template, uint256 n) private pure returns (uint256) {
        return uint256(bytes32(template)) | (n << NUMBER_SHIFT);
    }
}
