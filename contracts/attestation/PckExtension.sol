// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice What Intel certifies about one machine in a PCK certificate.
struct PckPlatform {
    // the machine, for as long as it lives
    bytes16 ppid;
    // one security version for each of 16 components
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
/// @dev All seven fields, in Intel's order, and nothing else. The last two are only in leaves of the Platform CA, the
/// one that TDX machines have; leaves of the Processor CA are therefore refused.
/// Source: Intel SGX PCK Certificate and CRL Profile Specification 1.5, section 1.3.5.
library PckExtension {
    using Der for bytes;

    /// @notice The version number at that offset is above 255, or above 65,535 for the PCE.
    error SecurityVersionInvalid(uint256 offset, uint256 version);

    // OID 1.2.840.113741.1.13.1.n, without n: 12 bytes with it
    bytes11 private constant FIELD = hex"060a2a864886f84d010d01";
    // OID 1.2.840.113741.1.13.1.2.n, and 1.2.840.113741.1.13.1.7.n, without n: 13 bytes with it
    bytes12 private constant TCB_FIELD = hex"060b2a864886f84d010d0102";
    bytes12 private constant CONFIGURATION_FIELD = hex"060b2a864886f84d010d0107";

    uint256 private constant COMPONENTS = 16;

    /// @notice Reads the extension's content, [offset, end).
    function parse(bytes memory der, uint256 offset, uint256 end) internal pure returns (PckPlatform memory platform) {
        uint256 value;
        uint256 next;
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});

        (value, next) = _open({der: der, offset: offset, end: end, n: 1});
        platform.ppid = bytes16(_octets({der: der, offset: value, end: next, size: 16}));

        (value, next) = _open({der: der, offset: next, end: end, n: 2});
        _readTcb({der: der, offset: value, end: next, platform: platform});

        (value, next) = _open({der: der, offset: next, end: end, n: 3});
        platform.pceId = bytes2(_octets({der: der, offset: value, end: next, size: 2}));

        (value, next) = _open({der: der, offset: next, end: end, n: 4});
        platform.fmspc = bytes6(_octets({der: der, offset: value, end: next, size: 6}));

        (value, next) = _open({der: der, offset: next, end: end, n: 5});
        platform.sgxType = _enumerated(der, value, next);

        // the platform instance's id: registered anew, a machine gets another, and the PPID stays
        (value, next) = _open({der: der, offset: next, end: end, n: 6});
        _octets({der: der, offset: value, end: next, size: 16});

        (value, next) = _open({der: der, offset: next, end: end, n: 7});
        platform.configuration = _readConfiguration(der, value, next);
        Der.finish(next, end);
    }

    /// @dev 16 component versions, the PCE's version, the CPUSVN. What decides is the components: Intel's own library
    /// doesn't look at the CPUSVN either.
    function _readTcb(bytes memory der, uint256 offset, uint256 end, PckPlatform memory platform) private pure {
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});
        uint256 value;
        uint256 version;
        uint256 versions;
        for (uint256 n = 1; n <= COMPONENTS; ++n) {
            (value, offset) = _openIn({der: der, offset: offset, end: end, field: TCB_FIELD, n: n});
            version = _version({der: der, offset: value, end: offset, limit: type(uint8).max});
            versions = (versions << 8) | version;
        }
        platform.componentSvns = bytes16(uint128(versions));
        (value, offset) = _openIn({der: der, offset: offset, end: end, field: TCB_FIELD, n: 17});
        platform.pceSvn = uint16(_version({der: der, offset: value, end: offset, limit: type(uint16).max}));
        (value, offset) = _openIn({der: der, offset: offset, end: end, field: TCB_FIELD, n: 18});
        _octets({der: der, offset: value, end: offset, size: 16});
        Der.finish(offset, end);
    }

    function _readConfiguration(bytes memory der, uint256 offset, uint256 end) private pure returns (uint8 flags) {
        offset = der.openLast({offset: offset, end: end, tag: Der.SEQUENCE});
        uint256 value;
        bool flag;
        for (uint256 n = 1; n <= 3; ++n) {
            (value, offset) = _openIn({der: der, offset: offset, end: end, field: CONFIGURATION_FIELD, n: n});
            (flag, value) = der.boolean({offset: value, end: offset});
            Der.finish(value, offset);
            flags = (flags << 1) | (flag ? 1 : 0);
        }
        Der.finish(offset, end);
    }

    /// @dev Enters SEQUENCE { OID …13.1.n, value }: the value is [value, next).
    function _open(bytes memory der, uint256 offset, uint256 end, uint256 n)
        private
        pure
        returns (uint256 value, uint256 next)
    {
        (value, next) = der.open({offset: offset, end: end, tag: Der.SEQUENCE});
        bytes32 oid = bytes32(FIELD) | bytes32(n << (256 - 8 * 12));
        value = der.skip({offset: value, end: next, expected: oid, size: 12});
    }

    /// @dev The same one level deeper: `field` says in which.
    function _openIn(bytes memory der, uint256 offset, uint256 end, bytes12 field, uint256 n)
        private
        pure
        returns (uint256 value, uint256 next)
    {
        (value, next) = der.open({offset: offset, end: end, tag: Der.SEQUENCE});
        bytes32 oid = bytes32(field) | bytes32(n << (256 - 8 * 13));
        value = der.skip({offset: value, end: next, expected: oid, size: 13});
    }

    function _octets(bytes memory der, uint256 offset, uint256 end, uint256 size) private pure returns (bytes32 value) {
        (value, offset) = der.octets({offset: offset, end: end, size: size});
        Der.finish(offset, end);
    }

    function _version(bytes memory der, uint256 offset, uint256 end, uint256 limit)
        private
        pure
        returns (uint256 version)
    {
        uint256 next;
        (version, next) = der.integer({offset: offset, end: end});
        Der.finish(next, end);
        if (version > limit) revert SecurityVersionInvalid(offset, version);
    }

    function _enumerated(bytes memory der, uint256 offset, uint256 end) private pure returns (uint8) {
        uint256 content = der.openLast({offset: offset, end: end, tag: Der.ENUMERATED});
        uint256 value = der.word(content) >> 248;
        if (end - content != 1 || value > 2) revert Der.DerValueUnexpected(offset);
        return uint8(value);
    }
}
