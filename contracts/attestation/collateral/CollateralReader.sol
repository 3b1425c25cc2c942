// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// JSON has double quotes, so its literals here have single ones.
// solhint-disable quotes

import {CollateralHeader, ICollateralReader} from "../../interfaces/attestation/ICollateralReader.sol";
import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {CollateralJson} from "./CollateralJson.sol";
import {JsonMembers} from "./JsonMembers.sol";
import {PackedBytes} from "./PackedBytes.sol";

/// @title CollateralReader
/// @notice See {ICollateralReader}. A separate contract, because it does not fit into the verifier's 24,576 bytes.
/// @dev Source: Intel's PCS API version 4, "Get TDX TCB Info" and "Get TD QE Identity".
contract CollateralReader is ICollateralReader {
    using CollateralJson for uint256;
    using JsonMembers for uint256;
    using PackedBytes for bytes;

    /// @dev Intel's have at most 7,000. What is packed is shorter than the text, so offsets in it fit into 16 bits.
    uint256 private constant _MAX_BYTES = 40_000;
    uint256 private constant _COMPONENTS = 16;
    uint256 private constant _FIRST_IDENTITY_VERSION = 2;
    uint256 private constant _LAST_IDENTITY_VERSION = 3;

    /// @inheritdoc ICollateralReader
    function readTcbInfo(bytes calldata json)
        external
        pure
        returns (CollateralHeader memory header, bytes memory packed)
    {
        (uint256 offset, uint256 end) = _bounds(json);
        packed = PackedBytes.reserve(json.length);
        offset = offset.enter(end, '{"id":"TDX"', 11).member(end, ',"version":3', 12);
        offset = _readWindow({offset: offset, end: end, header: header});
        uint256 value;
        (value, offset) = offset.member(end, ',"fmspc":', 9).readHexadecimal(end, 12);
        // FMSPC zero stands for QE identities in the store
        if (value == 0) revert CollateralJson.JsonUnexpected(end - offset);
        header.fmspc = bytes6(uint48(value));
        (value, offset) = offset.member(end, ',"pceId":', 9).readHexadecimal(end, 4);
        header.pceId = bytes2(uint16(value));
        offset = offset.member(end, ',"tcbType":0', 12);
        offset = _readEvaluationNumber({offset: offset, end: end, header: header});

        bool isIntel;
        offset = offset.member(end, ',"tdxModule":', 13).enter(end, '{"mrsigner":', 12);
        (isIntel, offset) = _readModuleSigner(offset, end);
        uint256 levels = packed.append(0, 2);
        packed.append(isIntel ? 1 : 0, 1);
        offset = _readModules({offset: offset.close(end), end: end, packed: packed});
        packed.overwriteUint16(levels, packed.length);
        offset = _readLevels({offset: offset, end: end, packed: packed});
        if (offset.close(end) != end) revert CollateralJson.JsonUnexpected(end - offset);
    }

    /// @inheritdoc ICollateralReader
    function readQeIdentity(bytes calldata json)
        external
        pure
        returns (CollateralHeader memory header, bytes memory packed)
    {
        (uint256 offset, uint256 end) = _bounds(json);
        packed = PackedBytes.reserve(json.length);
        uint256 value;
        // versions 2 and 3 have the same members with the same meaning
        (value, offset) = offset.enter(end, '{"id":"TD_QE"', 13).member(end, ',"version":', 11)
            .readNumber(end, _LAST_IDENTITY_VERSION);
        if (value < _FIRST_IDENTITY_VERSION) revert CollateralJson.JsonUnexpected(end - offset);
        offset = _readWindow({offset: offset, end: end, header: header});
        offset = _readEvaluationNumber({offset: offset, end: end, header: header});
        (value, offset) = offset.member(end, ',"miscselect":', 14).readHexadecimal(end, 8);
        packed.append(value, 4);
        (value, offset) = offset.member(end, ',"miscselectMask":', 18).readHexadecimal(end, 8);
        packed.append(value, 4);
        (value, offset) = offset.member(end, ',"attributes":', 14).readHexadecimal(end, 32);
        packed.append(value, 16);
        (value, offset) = offset.member(end, ',"attributesMask":', 18).readHexadecimal(end, 32);
        packed.append(value, 16);
        (value, offset) = offset.member(end, ',"mrsigner":', 12).readHexadecimalWord(end);
        packed.append(value, 32);
        (value, offset) = offset.member(end, ',"isvprodid":', 13).readNumber(end, type(uint16).max);
        packed.append(value, 2);
        offset = _readEnclaveLevels({offset: offset, end: end, packed: packed, maxSvn: type(uint16).max});
        if (offset.close(end) != end) revert CollateralJson.JsonUnexpected(end - offset);
    }

    /* SHARED */

    /// @dev Calldata offsets of the text.
    function _bounds(bytes calldata json) private pure returns (uint256 offset, uint256 end) {
        if (json.length > _MAX_BYTES) revert CollateralTooLong(json.length);
        assembly ("memory-safe") {
            offset := json.offset
        }
        end = offset + json.length;
    }

    /// @dev `,"issueDate":"…","nextUpdate":"…"`.
    function _readWindow(uint256 offset, uint256 end, CollateralHeader memory header)
        private
        pure
        returns (uint256 next)
    {
        uint256 value;
        (value, offset) = offset.member(end, ',"issueDate":', 13).readTime(end);
        header.issuedAt = uint40(value);
        (value, next) = offset.member(end, ',"nextUpdate":', 14).readTime(end);
        header.nextUpdate = uint40(value);
    }

    function _readEvaluationNumber(uint256 offset, uint256 end, CollateralHeader memory header)
        private
        pure
        returns (uint256 next)
    {
        uint256 value;
        (value, next) = offset.member(end, ',"tcbEvaluationDataNumber":', 27).readNumber(end, type(uint16).max);
        header.evaluationNumber = uint16(value);
    }

    /// @dev `,"tcbLevels":[{"tcb":{"isvsvn":5},"tcbDate":"…","tcbStatus":"…"},…]`: two bytes with their count, then
    /// two (of a module) or three (of a quoting enclave) bytes per level.
    function _readEnclaveLevels(uint256 offset, uint256 end, bytes memory packed, uint256 maxSvn)
        private
        pure
        returns (uint256 next)
    {
        uint256 counter = packed.append(0, 2);
        uint256 count = 0;
        uint256 previous = maxSvn + 1;
        next = offset.member(end, ',"tcbLevels":', 13).expect(end, "[", 1);
        while (true) {
            uint256 svn;
            TcbStatus status;
            next = next.enter(end, '{"tcb":', 7);
            (svn, next) = next.enter(end, '{"isvsvn":', 10).readNumber(end, maxSvn);
            if (svn >= previous) revert LevelsOutOfOrder();
            previous = svn;
            (, next) = next.close(end).member(end, ',"tcbDate":', 11).readTime(end);
            (status, next) = next.member(end, ',"tcbStatus":', 13).readEnclaveStatus(end);
            next = _skipAdvisories(next, end).close(end);
            packed.append((svn << 8) | uint8(status), maxSvn > type(uint8).max ? 3 : 2);
            ++count;
            bool hasMore;
            (hasMore, next) = next.accept(",");
            if (!hasMore) break;
        }
        packed.overwriteUint16(counter, count);
        next = next.expect(end, "]", 1);
    }

    /// @dev `,"advisoryIDs":["…","…"]`, if it is there.
    function _skipAdvisories(uint256 offset, uint256 end) private pure returns (uint256 next) {
        bool hasMore;
        (hasMore, next) = offset.optional(end, ',"advisoryIDs":', 15);
        if (!hasMore) return next;
        (hasMore, next) = next.expect(end, "[", 1).accept("]");
        while (!hasMore) {
            (, next) = next.skipString(end);
            (hasMore, next) = next.accept("]");
            if (!hasMore) next = next.expect(end, ",", 1);
        }
    }

    /* TCB INFO */

    /// @dev From the value of `mrsigner` on: whether the signer is Intel (zero) and no attribute under the mask is set.
    /// QuoteRules accepts only such modules.
    function _readModuleSigner(uint256 offset, uint256 end) private pure returns (bool isIntel, uint256 next) {
        uint256 attributes;
        uint256 mask;
        (isIntel, offset) = offset.isHexadecimalZero(end);
        (attributes, offset) = offset.member(end, ',"attributes":', 14).readHexadecimal(end, 16);
        (mask, next) = offset.member(end, ',"attributesMask":', 18).readHexadecimal(end, 16);
        isIntel = isIntel && attributes & mask == 0;
    }

    /// @dev Two bytes with the count, then per module its version, whether it is Intel's, and its levels.
    function _readModules(uint256 offset, uint256 end, bytes memory packed) private pure returns (uint256 next) {
        uint256 counter = packed.append(0, 2);
        bool hasMore;
        (hasMore, next) = offset.optional(end, ',"tdxModuleIdentities":', 23);
        if (!hasMore) return next;
        uint256 seen = 0;
        uint256 count = 0;
        (hasMore, next) = next.expect(end, "[", 1).accept("]");
        while (!hasMore) {
            uint256 version;
            (version, next) = _readModule({offset: next, end: end, packed: packed});
            if (seen & (1 << version) != 0) revert LevelsOutOfOrder();
            seen |= 1 << version;
            ++count;
            (hasMore, next) = next.accept("]");
            if (!hasMore) next = next.expect(end, ",", 1);
        }
        packed.overwriteUint16(counter, count);
    }

    function _readModule(uint256 offset, uint256 end, bytes memory packed)
        private
        pure
        returns (uint256 version, uint256 next)
    {
        bool isIntel;
        offset = offset.enter(end, '{"id":"TDX_', 11);
        // the version's two digits and the closing quotation mark
        version = _moduleVersion(offset, end);
        (isIntel, next) = _readModuleSigner((offset + 3).member(end, ',"mrsigner":', 12), end);
        packed.append((version << 8) | (isIntel ? 1 : 0), 2);
        next = _readEnclaveLevels({offset: next, end: end, packed: packed, maxSvn: type(uint8).max});
        next = next.close(end);
    }

    /// @dev `03"`: two hexadecimal digits in upper case, which is how Intel compares them.
    function _moduleVersion(uint256 offset, uint256 end) private pure returns (uint256 version) {
        (offset + 2).expect(end, '"', 1);
        uint256 characters;
        assembly ("memory-safe") {
            characters := shr(240, calldataload(offset))
        }
        version = (_digit(characters >> 8, offset, end) << 4) | _digit(characters & 0xff, offset, end);
    }

    function _digit(uint256 character, uint256 offset, uint256 end) private pure returns (uint256) {
        if (character >= 0x30 && character <= 0x39) return character - 0x30;
        if (character >= 0x41 && character <= 0x46) return character - 0x37;
        revert CollateralJson.JsonUnexpected(end - offset);
    }

    /// @dev Two bytes with the count, then 40 per level: 16 SGX components, 16 TDX components, PCESVN 2, status 1, date
    /// 5.
    function _readLevels(uint256 offset, uint256 end, bytes memory packed) private pure returns (uint256 next) {
        uint256 counter = packed.append(0, 2);
        uint256 count = 0;
        uint256 previous = type(uint256).max;
        uint256 previousPceSvn = type(uint256).max;
        next = offset.member(end, ',"tcbLevels":', 13).expect(end, "[", 1);
        while (true) {
            uint256 components;
            uint256 tail;
            (components, tail, next) = _readLevel(next, end);
            // levels descend by SGX components, then PCESVN, then TDX components
            (uint256 sgx, uint256 pceSvn) = (components >> 128, tail >> 48);
            bool descends = sgx < previous >> 128
                || (sgx == previous >> 128
                    && (pceSvn < previousPceSvn || (pceSvn == previousPceSvn && components < previous)));
            if (count != 0 && !descends) revert LevelsOutOfOrder();
            (previous, previousPceSvn) = (components, pceSvn);
            packed.append(components, 32);
            packed.append(tail, 8);
            ++count;
            bool hasMore;
            (hasMore, next) = next.accept(",");
            if (!hasMore) break;
        }
        packed.overwriteUint16(counter, count);
        next = next.expect(end, "]", 1);
    }

    /// @dev One element of `tcbLevels`.
    /// @return components 16 of SGX, 16 of TDX.
    /// @return tail PCESVN 2, status 1, date 5.
    function _readLevel(uint256 offset, uint256 end)
        private
        pure
        returns (uint256 components, uint256 tail, uint256 next)
    {
        uint256 value;
        TcbStatus status;
        next = offset.enter(end, '{"tcb":', 7).enter(end, '{"sgxtcbcomponents":', 20);
        (components, next) = _readComponents(next, end);
        (tail, next) = next.member(end, ',"pcesvn":', 10).readNumber(end, type(uint16).max);
        (value, next) = _readComponents(next.member(end, ',"tdxtcbcomponents":', 20), end);
        components = (components << 128) | value;
        (value, next) = next.close(end).member(end, ',"tcbDate":', 11).readTime(end);
        (status, next) = next.member(end, ',"tcbStatus":', 13).readTcbStatus(end);
        next = _skipAdvisories(next, end).close(end);
        tail = (tail << 48) | (uint256(uint8(status)) << 40) | value;
    }

    /// @dev `[{"svn":4,"category":"…","type":"…"},…]`, 16 elements; category and type are optional.
    function _readComponents(uint256 offset, uint256 end) private pure returns (uint256 components, uint256 next) {
        next = offset;
        for (uint256 i = 0; i < _COMPONENTS; ++i) {
            bytes32 text = i == 0 ? bytes32('[{"svn":') : bytes32(',{"svn":');
            uint256 svn;
            next = next.startsWith(text, 8) ? next + 8 : next.expect(end, text, 1).enter(end, '{"svn":', 7);
            (svn, next) = next.readNumber(end, 255);
            components = (components << 8) | svn;
            bool isClosed;
            (isClosed, next) = next.accept("}");
            if (!isClosed) next = _closeComponent(next, end);
        }
        next = next.expect(end, "]", 1);
    }

    /// @dev Category and type of a component, then its end.
    function _closeComponent(uint256 offset, uint256 end) private pure returns (uint256 next) {
        bool isThere;
        (isThere, next) = offset.optional(end, ',"category":', 12);
        if (isThere) (, next) = next.skipString(end);
        (isThere, next) = next.optional(end, ',"type":', 8);
        if (isThere) (, next) = next.skipString(end);
        next = next.close(end);
    }
}
