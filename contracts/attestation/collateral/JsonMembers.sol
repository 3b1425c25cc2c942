// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// JSON has double quotes, so its literals here have single ones.
// solhint-disable quotes

import {CollateralJson} from "./CollateralJson.sol";

/// @title JsonMembers
/// @notice Steps from one member of an object to the next that the reader needs, over members that it does not know.
/// @dev Intel adds members to its collateral without a new version. Its own library ignores what it does not know, and
/// so does this one. What is read keeps its place and its form: a known name anywhere else (repeated, reordered, in
/// another object) is refused, so the text has one meaning only, and a member that is missing is never taken from
/// elsewhere. Functions take and return offsets as those of {CollateralJson} do.
library JsonMembers {
    using CollateralJson for uint256;

    uint256 private constant MAX_DEPTH = 8;
    /// @dev The longest known name has 23 characters; with its quotation marks it fits into a word.
    uint256 private constant MAX_NAME = 30;
    /// @dev All names that have a meaning, each in quotation marks.
    bytes private constant NAMES = '"id"version"issueDate"nextUpdate"fmspc"pceId"tcbType"tcbEvaluationDataNumber'
        '"tdxModule"mrsigner"attributes"attributesMask"tdxModuleIdentities"tcbLevels"tcb"isvsvn"tcbDate"tcbStatus'
        '"advisoryIDs"sgxtcbcomponents"pcesvn"tdxtcbcomponents"svn"category"type"miscselect"miscselectMask"isvprodid"';

    /// @notice Enters an object up to its first known member: `text` is the brace and the member's beginning.
    function enter(uint256 offset, uint256 end, bytes32 text, uint256 size) internal pure returns (uint256 next) {
        if (offset.startsWith("{", 1) && !offset.startsWith(text, size)) {
            // to the comma in front of it
            (bool isUnknown, uint256 comma) = _skipUnknown(offset + 1, end);
            if (isUnknown) return _skipAllUnknown(comma, end).expect(end, ",", 1).expect(end, text << 8, size - 1);
        }
        next = offset.expect(end, text, size);
    }

    /// @notice Goes on to a member: `text` is the comma and the member's beginning.
    function member(uint256 offset, uint256 end, bytes32 text, uint256 size) internal pure returns (uint256 next) {
        if (!offset.startsWith(text, size)) offset = _skipAllUnknown(offset, end);
        next = offset.expect(end, text, size);
    }

    /// @notice The same for a member that may be missing.
    function optional(uint256 offset, uint256 end, bytes32 text, uint256 size)
        internal
        pure
        returns (bool isThere, uint256 next)
    {
        isThere = offset.startsWith(text, size);
        if (!isThere) {
            offset = _skipAllUnknown(offset, end);
            isThere = offset.startsWith(text, size);
        }
        next = isThere ? offset.expect(end, text, size) : offset;
    }

    /// @notice Goes on behind the end of the object.
    function close(uint256 offset, uint256 end) internal pure returns (uint256 next) {
        next = _skipAllUnknown(offset, end).expect(end, "}", 1);
    }

    /* UNKNOWN MEMBERS */

    /// @dev Stops at a member of a known name, and at whatever is none.
    function _skipAllUnknown(uint256 offset, uint256 end) private pure returns (uint256) {
        while (offset.startsWith(",", 1)) {
            (bool isUnknown, uint256 next) = _skipUnknown(offset + 1, end);
            if (!isUnknown) break;
            offset = next;
        }
        return offset;
    }

    /// @dev Skips `"name":value` if it has a name that is not known.
    function _skipUnknown(uint256 offset, uint256 end) private pure returns (bool isUnknown, uint256 next) {
        if (!offset.startsWith('"', 1)) return (false, offset);
        uint256 size;
        (size, next) = offset.skipString(end);
        if (_isKnown(offset, size)) return (false, offset);
        return (true, _skipValue({offset: next.expect(end, ":", 1), end: end, depth: 0}));
    }

    function _isKnown(uint256 offset, uint256 size) private pure returns (bool) {
        if (size > MAX_NAME) return false;
        bytes memory names = NAMES;
        uint256 last = names.length - size - 2;
        for (uint256 i = 0; i <= last; ++i) {
            bytes32 text;
            assembly ("memory-safe") {
                text := mload(add(add(names, 0x20), i))
            }
            if (offset.startsWith(text, size + 2)) return true;
        }
        return false;
    }

    /// @dev Any value. Strings are printable ASCII without escapes here as elsewhere, and numbers have no exponent.
    function _skipValue(uint256 offset, uint256 end, uint256 depth) private pure returns (uint256 next) {
        if (offset.startsWith('"', 1)) {
            (, next) = offset.skipString(end);
            return next;
        }
        if (offset.startsWith("{", 1)) return _skipElements({offset: offset, end: end, depth: depth, isObject: true});
        if (offset.startsWith("[", 1)) {
            return _skipElements({offset: offset, end: end, depth: depth, isObject: false});
        }
        if (offset.startsWith("true", 4) || offset.startsWith("null", 4)) return offset + 4;
        if (offset.startsWith("false", 5)) return offset + 5;
        return _skipNumber(offset, end);
    }

    function _skipElements(uint256 offset, uint256 end, uint256 depth, bool isObject)
        private
        pure
        returns (uint256 next)
    {
        if (depth == MAX_DEPTH) revert CollateralJson.JsonUnexpected(offset < end ? end - offset : 0);
        bytes1 last = isObject ? bytes1("}") : bytes1("]");
        bool isEnd;
        (isEnd, next) = (offset + 1).accept(last);
        while (!isEnd) {
            if (isObject) {
                (, next) = next.skipString(end);
                next = next.expect(end, ":", 1);
            }
            next = _skipValue({offset: next, end: end, depth: depth + 1});
            (isEnd, next) = next.accept(last);
            if (!isEnd) next = next.expect(end, ",", 1);
        }
    }

    function _skipNumber(uint256 offset, uint256 end) private pure returns (uint256 next) {
        (, next) = offset.accept("-");
        bool isZero;
        (isZero, next) = next.accept("0");
        if (!isZero) next = _skipDigits(next, end);
        bool isFraction;
        (isFraction, next) = next.accept(".");
        if (isFraction) next = _skipDigits(next, end);
    }

    function _skipDigits(uint256 offset, uint256 end) private pure returns (uint256 next) {
        next = offset;
        while (_isDigit(next)) ++next;
        if (next == offset || next > end) revert CollateralJson.JsonUnexpected(offset < end ? end - offset : 0);
    }

    function _isDigit(uint256 offset) private pure returns (bool) {
        uint256 character;
        assembly ("memory-safe") {
            character := shr(248, calldataload(offset))
        }
        return character >= 0x30 && character <= 0x39;
    }
}
