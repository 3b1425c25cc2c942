// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// JSON is full of quotation marks.
// solhint-disable quotes

import {CollateralHead, ICollateralReader} from "../../interfaces/attestation/ICollateralReader.sol";
import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {CollateralJson} from "./CollateralJson.sol";
import {PackedBytes} from "./PackedBytes.sol";

/// @title CollateralReader
/// @notice See {ICollateralReader}. A contract of its own, because the verifier has no room for it.
/// @dev Source: Intel's PCS API version 4, "Get TDX TCB Info" and "Get TD QE Identity".
contract CollateralReader is ICollateralReader {
    using CollateralJson for uint256;
    using PackedBytes for bytes;

    /// @dev Intel's have at most 7,000. What is packed is shorter, so offsets in it fit into 16 bits.
    uint256 private constant _MAX_BYTES = 40_000;
    uint256 private constant _COMPONENTS = 16;
    uint256 private constant _FIRST_IDENTITY_VERSION = 2;
    uint256 private constant _LAST_IDENTITY_VERSION = 3;

    /// @inheritdoc ICollateralReader
    function readTcbInfo(bytes calldata json) external pure returns (CollateralHead memory head, bytes memory packed) {
        (uint256 place, uint256 end) = _bounds(json);
        packed = PackedBytes.reserve(json.length);
        place = place.expect(end, '{"id":"TDX","version":3,', 24);
        place = _readWindow({place: place, end: end, head: head});
        uint256 value;
        (value, place) = place.expect(end, ',"fmspc":', 9).hexadecimal(end, 12);
        // an item without FMSPC is a QE identity's
        if (value == 0) revert CollateralJson.JsonUnexpected(end - place);
        head.fmspc = bytes6(uint48(value));
        (value, place) = place.expect(end, ',"pceId":', 9).hexadecimal(end, 4);
        head.pceId = bytes2(uint16(value));
        place = place.expect(end, ',"tcbType":0', 12);
        place = _readNumber({place: place, end: end, head: head});

        bool isIntels;
        place = place.expect(end, ',"tdxModule":{', 14);
        (isIntels, place) = _readModuleSigner(place, end);
        uint256 levels = packed.append(0, 2);
        packed.append(isIntels ? 1 : 0, 1);
        place = _readModules({place: place.expect(end, "}", 1), end: end, packed: packed});
        packed.put(levels, packed.length);
        place = _readLevels({place: place, end: end, packed: packed});
        if (place.expect(end, "}", 1) != end) revert CollateralJson.JsonUnexpected(end - place);
    }

    /// @inheritdoc ICollateralReader
    function readQeIdentity(bytes calldata json)
        external
        pure
        returns (CollateralHead memory head, bytes memory packed)
    {
        (uint256 place, uint256 end) = _bounds(json);
        packed = PackedBytes.reserve(json.length);
        uint256 value;
        // versions 2 and 3 have the same members, and mean the same by them
        (value, place) = place.expect(end, '{"id":"TD_QE","version":', 24).number(end, _LAST_IDENTITY_VERSION);
        if (value < _FIRST_IDENTITY_VERSION) revert CollateralJson.JsonUnexpected(end - place);
        place = _readWindow({place: place.expect(end, ",", 1), end: end, head: head});
        place = _readNumber({place: place, end: end, head: head});
        (value, place) = place.expect(end, ',"miscselect":', 14).hexadecimal(end, 8);
        packed.append(value, 4);
        (value, place) = place.expect(end, ',"miscselectMask":', 18).hexadecimal(end, 8);
        packed.append(value, 4);
        (value, place) = place.expect(end, ',"attributes":', 14).hexadecimal(end, 32);
        packed.append(value, 16);
        (value, place) = place.expect(end, ',"attributesMask":', 18).hexadecimal(end, 32);
        packed.append(value, 16);
        (value, place) = place.expect(end, ',"mrsigner":', 12).hexadecimalWord(end);
        packed.append(value, 32);
        (value, place) = place.expect(end, ',"isvprodid":', 13).number(end, type(uint16).max);
        packed.append(value, 2);
        place = _readEnclaveLevels({place: place, end: end, packed: packed, maxSvn: type(uint16).max});
        if (place.expect(end, "}", 1) != end) revert CollateralJson.JsonUnexpected(end - place);
    }

    /* BOTH */

    function _bounds(bytes calldata json) private pure returns (uint256 place, uint256 end) {
        if (json.length > _MAX_BYTES) revert CollateralTooLong(json.length);
        assembly ("memory-safe") {
            place := json.offset
        }
        end = place + json.length;
    }

    function _readWindow(uint256 place, uint256 end, CollateralHead memory head) private pure returns (uint256 next) {
        uint256 value;
        (value, place) = place.expect(end, '"issueDate":', 12).time(end);
        head.issuedAt = uint40(value);
        (value, next) = place.expect(end, ',"nextUpdate":', 14).time(end);
        head.nextUpdate = uint40(value);
    }

    function _readNumber(uint256 place, uint256 end, CollateralHead memory head) private pure returns (uint256 next) {
        uint256 value;
        (value, next) = place.expect(end, ',"tcbEvaluationDataNumber":', 27).number(end, type(uint16).max);
        head.evaluationNumber = uint16(value);
    }

    /// @dev `,"tcbLevels":[{"tcb":{"isvsvn":5},"tcbDate":"…","tcbStatus":"…"},…]`: two bytes with their number, then
    /// two (of a module) or three (of a quoting enclave) for each.
    function _readEnclaveLevels(uint256 place, uint256 end, bytes memory packed, uint256 maxSvn)
        private
        pure
        returns (uint256 next)
    {
        uint256 counter = packed.append(0, 2);
        uint256 count = 0;
        uint256 last = maxSvn + 1;
        next = place.expect(end, ',"tcbLevels":[', 14);
        while (true) {
            uint256 svn;
            TcbStatus status;
            (svn, next) = next.expect(end, '{"tcb":{"isvsvn":', 17).number(end, maxSvn);
            if (svn >= last) revert LevelsOutOfOrder();
            last = svn;
            (, next) = next.expect(end, '},"tcbDate":', 12).time(end);
            (status, next) = next.expect(end, ',"tcbStatus":', 13).enclaveStatus(end);
            next = next.skipAdvisories(end).expect(end, "}", 1);
            packed.append((svn << 8) | uint8(status), maxSvn > type(uint8).max ? 3 : 2);
            ++count;
            bool more;
            (more, next) = next.take(",");
            if (!more) break;
        }
        packed.put(counter, count);
        next = next.expect(end, "]", 1);
    }

    /* TCB INFO */

    /// @dev Whether the signer is Intel (zero) and the attributes that the mask lets through are none: what the quotes
    /// which are let in say of their module.
    function _readModuleSigner(uint256 place, uint256 end) private pure returns (bool isIntels, uint256 next) {
        uint256 attributes;
        uint256 mask;
        (isIntels, place) = place.expect(end, '"mrsigner":', 11).hexadecimalIsZero(end);
        (attributes, place) = place.expect(end, ',"attributes":', 14).hexadecimal(end, 16);
        (mask, next) = place.expect(end, ',"attributesMask":', 18).hexadecimal(end, 16);
        isIntels = isIntels && attributes & mask == 0;
    }

    /// @dev Two bytes with their number, then for each its version, whether it is Intel's, and its levels.
    function _readModules(uint256 place, uint256 end, bytes memory packed) private pure returns (uint256 next) {
        uint256 counter = packed.append(0, 2);
        if (!place.startsWith(',"tdxModuleIdentities":[', 24)) return place;
        uint256 seen = 0;
        uint256 count = 0;
        bool more;
        (more, next) = (place + 24).take("]");
        while (!more) {
            uint256 version;
            (version, next) = _readModule({place: next, end: end, packed: packed});
            if (seen & (1 << version) != 0) revert LevelsOutOfOrder();
            seen |= 1 << version;
            ++count;
            (more, next) = next.take("]");
            if (!more) next = next.expect(end, ",", 1);
        }
        packed.put(counter, count);
    }

    function _readModule(uint256 place, uint256 end, bytes memory packed)
        private
        pure
        returns (uint256 version, uint256 next)
    {
        bool isIntels;
        place = place.expect(end, '{"id":"TDX_', 11);
        // the two digits stand before a quotation mark, and the number needs one before them as well
        version = _moduleVersion(place, end);
        (isIntels, next) = _readModuleSigner(place + 4, end);
        packed.append((version << 8) | (isIntels ? 1 : 0), 2);
        next = _readEnclaveLevels({place: next, end: end, packed: packed, maxSvn: type(uint8).max});
        next = next.expect(end, "}", 1);
    }

    /// @dev `03",`: two hexadecimal digits in upper case, as Intel compares them.
    function _moduleVersion(uint256 place, uint256 end) private pure returns (uint256 version) {
        (place + 2).expect(end, '",', 2);
        uint256 characters;
        assembly ("memory-safe") {
            characters := shr(240, calldataload(place))
        }
        version = (_digit(characters >> 8, place, end) << 4) | _digit(characters & 0xff, place, end);
    }

    function _digit(uint256 character, uint256 place, uint256 end) private pure returns (uint256) {
        if (character >= 0x30 && character <= 0x39) return character - 0x30;
        if (character >= 0x41 && character <= 0x46) return character - 0x37;
        revert CollateralJson.JsonUnexpected(end - place);
    }

    /// @dev Two bytes with their number, then 40 for each: 16 SGX components, 16 TDX components, PCESVN 2, status 1,
    /// date 5.
    function _readLevels(uint256 place, uint256 end, bytes memory packed) private pure returns (uint256 next) {
        uint256 counter = packed.append(0, 2);
        uint256 count = 0;
        uint256 last = type(uint256).max;
        uint256 lastPceSvn = type(uint256).max;
        next = place.expect(end, ',"tcbLevels":[', 14);
        while (true) {
            uint256 components;
            uint256 rest;
            (components, rest, next) = _readLevel(next, end);
            // by SGX components, then PCESVN, then TDX components, each descending
            (uint256 sgx, uint256 pceSvn) = (components >> 128, rest >> 48);
            bool descends = sgx < last >> 128
                || (sgx == last >> 128 && (pceSvn < lastPceSvn || (pceSvn == lastPceSvn && components < last)));
            if (count != 0 && !descends) revert LevelsOutOfOrder();
            (last, lastPceSvn) = (components, pceSvn);
            packed.append(components, 32);
            packed.append(rest, 8);
            ++count;
            bool more;
            (more, next) = next.take(",");
            if (!more) break;
        }
        packed.put(counter, count);
        next = next.expect(end, "]", 1);
    }

    /// @return components 16 of SGX, 16 of TDX.
    /// @return rest PCESVN 2, status 1, date 5.
    function _readLevel(uint256 place, uint256 end)
        private
        pure
        returns (uint256 components, uint256 rest, uint256 next)
    {
        uint256 value;
        TcbStatus status;
        (components, next) = _readComponents(place.expect(end, '{"tcb":{"sgxtcbcomponents":', 27), end);
        (rest, next) = next.expect(end, ',"pcesvn":', 10).number(end, type(uint16).max);
        (value, next) = _readComponents(next.expect(end, ',"tdxtcbcomponents":', 20), end);
        components = (components << 128) | value;
        (value, next) = next.expect(end, '},"tcbDate":', 12).time(end);
        (status, next) = next.expect(end, ',"tcbStatus":', 13).tcbStatus(end);
        next = next.skipAdvisories(end).expect(end, "}", 1);
        rest = (rest << 48) | (uint256(uint8(status)) << 40) | value;
    }

    /// @dev `[{"svn":4,"category":"…","type":"…"},…]`, 16 of them; category and type may be missing.
    function _readComponents(uint256 place, uint256 end) private pure returns (uint256 components, uint256 next) {
        next = place;
        for (uint256 i = 0; i < _COMPONENTS; ++i) {
            uint256 svn;
            (svn, next) = next.expect(end, i == 0 ? bytes32('[{"svn":') : bytes32(',{"svn":'), 8).number(end, 255);
            components = (components << 8) | svn;
            if (next.startsWith(',"category":', 12)) (, next) = (next + 12).quoted(end);
            if (next.startsWith(',"type":', 8)) (, next) = (next + 8).quoted(end);
            next = next.expect(end, "}", 1);
        }
        next = next.expect(end, "]", 1);
    }
}
