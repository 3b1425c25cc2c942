// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// JSON has double quotes, so its literals here have single ones.
// solhint-disable quotes

import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {DateTimeLib} from "solady/utils/DateTimeLib.sol";

/// @title CollateralJson
/// @notice A strict parser for the JSON of Intel's collateral, which reads it in calldata: no white space, no escapes,
/// every value in its form. {JsonMembers} adds the names of members, in Intel's order.
/// @dev All functions take the calldata offset of what they read and the `end` of the text, and return the offset after
/// it. A word that is read may extend past `end`; the excess is checked against `end` before it is used.
library CollateralJson {
    /// @notice The text is not in Intel's form, `charactersLeft` characters before its end.
    error JsonUnexpected(uint256 charactersLeft);

    // one octet each, 32 times
    uint256 private constant ONES = 0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant HIGH_BITS = 0x8080808080808080808080808080808080808080808080808080808080808080;
    uint256 private constant LOW_BITS = 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f;
    uint256 private constant LOW_NIBBLES = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
    uint256 private constant ZERO_DIGITS = 0x3030303030303030303030303030303030303030303030303030303030303030;

    // "0000-00-00T00:00:00Z" in quotation marks, 22 characters; where its digits are; 118, which added to a digit
    // sets the highest bit exactly if it exceeds 9
    uint256 private constant TIME = 0x22303030302d30302d30305430303a30303a30305a22;
    uint256 private constant TIME_DIGITS = 0x00ffffffff00ffff00ffff00ffff00ffff00ffff0000;
    uint256 private constant TIME_ABOVE_NINE = 0x76767676767676767676767676767676767676767676;
    uint256 private constant TIME_HIGH_BITS = 0x80808080808080808080808080808080808080808080;
    uint256 private constant TIME_SIZE = 22;

    /// @notice Skips fixed text, or reverts: the upper `size` bytes (at most 32) of `text`.
    function expect(uint256 offset, uint256 end, bytes32 text, uint256 size) internal pure returns (uint256 next) {
        // calldata offsets are far below 2^64
        unchecked {
            next = offset + size;
            if (next > end || (_word(offset) ^ uint256(text)) >> (256 - 8 * size) != 0) _revertAt(offset, end);
        }
    }

    /// @notice Skips one character if it is there.
    function accept(uint256 offset, bytes1 character) internal pure returns (bool found, uint256 next) {
        found = bytes1(bytes32(_word(offset))) == character;
        next = found ? offset + 1 : offset;
    }

    /// @notice Whether the text is here; skips nothing.
    function startsWith(uint256 offset, bytes32 text, uint256 size) internal pure returns (bool) {
        return (_word(offset) ^ uint256(text)) >> (256 - 8 * size) == 0;
    }

    /// @notice Reads an integer from 0 to `max`, which has at most five digits.
    function readNumber(uint256 offset, uint256 end, uint256 max) internal pure returns (uint256 value, uint256 next) {
        unchecked {
            uint256 text = _word(offset);
            next = offset;
            while (true) {
                uint256 digit = (text >> 248) ^ 0x30;
                if (digit > 9) break;
                // no leading zero, and no overflow
                if (next - offset == 5 || (next != offset && value == 0)) _revertAt(offset, end);
                value = 10 * value + digit;
                text <<= 8;
                ++next;
            }
            if (next == offset || next > end || value > max) _revertAt(offset, end);
        }
    }

    /// @notice Reads a time such as "2026-08-13T10:45:38Z", in quotation marks, as Unix seconds.
    function readTime(uint256 offset, uint256 end) internal pure returns (uint256 value, uint256 next) {
        unchecked {
            next = offset + TIME_SIZE;
            uint256 digits = (_word(offset) >> 80) ^ TIME;
            bool isTime = digits & ~TIME_DIGITS == 0 && (digits | (digits + TIME_ABOVE_NINE)) & TIME_HIGH_BITS == 0;
            if (next > end || !isTime) _revertAt(offset, end);
            uint256 year = 100 * _pair(digits, 152) + _pair(digits, 136);
            uint256 month = _pair(digits, 112);
            uint256 day = _pair(digits, 88);
            uint256 hour = _pair(digits, 64);
            uint256 minute = _pair(digits, 40);
            uint256 second = _pair(digits, 16);
            bool exists = year >= 1970 && DateTimeLib.isSupportedDate(year, month, day);
            if (!exists || hour > 23 || minute > 59 || second > 59) _revertAt(offset, end);
            value = DateTimeLib.dateToEpochDay(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        }
    }

    /// @notice Reads `digits` hexadecimal digits (an even number, at most 32) of either case, in quotation marks.
    /// @return value In the lowest bits.
    function readHexadecimal(uint256 offset, uint256 end, uint256 digits)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        offset = expect(offset, end, '"', 1);
        value = _nibbles(offset, end, digits);
        next = expect(offset + digits, end, '"', 1);
    }

    /// @notice Reads 64 hexadecimal digits of either case, in quotation marks.
    function readHexadecimalWord(uint256 offset, uint256 end) internal pure returns (uint256 value, uint256 next) {
        offset = expect(offset, end, '"', 1);
        value = (_nibbles(offset, end, 32) << 128) | _nibbles(offset + 32, end, 32);
        next = expect(offset + 64, end, '"', 1);
    }

    /// @notice Reads 96 hexadecimal digits, in quotation marks: whether all of them are zero.
    function isHexadecimalZero(uint256 offset, uint256 end) internal pure returns (bool isZero, uint256 next) {
        offset = expect(offset, end, '"', 1);
        uint256 any = _nibbles(offset, end, 32) | _nibbles(offset + 32, end, 32) | _nibbles(offset + 64, end, 32);
        return (any == 0, expect(offset + 96, end, '"', 1));
    }

    /// @notice Skips a string of printable ASCII without escapes, with its quotation marks.
    /// @return size Characters between the marks.
    function skipString(uint256 offset, uint256 end) internal pure returns (uint256 size, uint256 next) {
        unchecked {
            offset = expect(offset, end, '"', 1);
            next = offset;
            while (true) {
                uint256 word = _word(next);
                uint256 marks = _zeros(word ^ (ONES * 0x22));
                uint256 length = marks == 0 ? 32 : _leadingZeros(marks) / 8;
                // before the mark: no octet above 126, none below 32 (adding 96 to any other sets its highest bit), no
                // backslash
                uint256 low = word & LOW_BITS;
                uint256 odd = (word | (low + ONES) | ~(low + 0x60 * ONES)) & HIGH_BITS;
                odd |= _zeros(word ^ (ONES * 0x5c));
                if (length != 0 && odd >> (256 - 8 * length) != 0) _revertAt(next, end);
                next += length;
                if (next >= end) _revertAt(offset, end);
                if (marks != 0) return (next - offset, next + 1);
            }
        }
    }

    /// @notice Reads a platform's status, in quotation marks.
    function readTcbStatus(uint256 offset, uint256 end) internal pure returns (TcbStatus status, uint256 next) {
        uint256 size;
        (size, next) = skipString(offset, end);
        unchecked {
            uint256 word = _word(offset + 1);
            if (size == 8 && bytes8(bytes32(word)) == "UpToDate") return (TcbStatus.UP_TO_DATE, next);
            if (size == 9 && bytes9(bytes32(word)) == "OutOfDate") return (TcbStatus.OUT_OF_DATE, next);
            if (size == 7 && bytes7(bytes32(word)) == "Revoked") return (TcbStatus.REVOKED, next);
            if (size == 17 && bytes17(bytes32(word)) == "SWHardeningNeeded") {
                return (TcbStatus.SW_HARDENING_NEEDED, next);
            }
            if (size == 19 && bytes19(bytes32(word)) == "ConfigurationNeeded") {
                return (TcbStatus.CONFIGURATION_NEEDED, next);
            }
            if (size == 28 && bytes28(bytes32(word)) == "OutOfDateConfigurationNeeded") {
                return (TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED, next);
            }
            bool isBoth = bytes32(word) == "ConfigurationAndSWHardeningNeede" && _word(offset + 33) >> 248 == 0x64;
            if (size == 33 && isBoth) return (TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED, next);
        }
        _revertAt(offset, end);
    }

    /// @notice Reads the status of a module or quoting enclave: up to date, out of date, or revoked.
    function readEnclaveStatus(uint256 offset, uint256 end) internal pure returns (TcbStatus status, uint256 next) {
        (status, next) = readTcbStatus(offset, end);
        bool isOne = status == TcbStatus.UP_TO_DATE || status == TcbStatus.OUT_OF_DATE || status == TcbStatus.REVOKED;
        if (!isOne) _revertAt(offset, end);
    }

    /// @dev Reverts with the position as seen from the end, because calldata offsets mean nothing to a reader.
    function _revertAt(uint256 offset, uint256 end) private pure {
        revert JsonUnexpected(offset < end ? end - offset : 0);
    }

    /// @dev The value of up to 32 hexadecimal digits, in the lowest bits. Converts all of them in parallel, one per
    /// octet, then joins octets pairwise.
    function _nibbles(uint256 offset, uint256 end, uint256 digits) private pure returns (uint256 value) {
        unchecked {
            if (offset + digits > end) _revertAt(offset, end);
            uint256 characters = _word(offset) >> (256 - 8 * digits);
            // pads to 32 digits with zeros
            if (digits < 32) characters |= ZERO_DIGITS << (8 * digits);
            uint256 letters = (characters >> 6) & ONES;
            uint256 low = characters & LOW_NIBBLES;
            // a digit is 3x, a letter 4x or 6x: bit 4 or bit 6, bit 5 or bit 6, not bit 7
            bool valid = characters & HIGH_BITS == 0 && ((characters >> 4) ^ (characters >> 6)) & ONES == ONES
                && ((characters >> 5) | (characters >> 6)) & ONES == ONES;
            // x up to 9 for a digit, 1 to 6 for a letter
            valid = valid && (low + 6 * ONES + 3 * letters) & (ONES << 4) == 0
                && ((low + LOW_NIBBLES) >> 4) & letters == letters;
            if (!valid) _revertAt(offset, end);
            value = low + 9 * letters;
            value = (value | (value >> 4)) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
            value = (value | (value >> 8)) & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
            value = (value | (value >> 16)) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
            value = (value | (value >> 32)) & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
            value = (value | (value >> 64)) & type(uint128).max;
        }
    }

    /// @dev 0x80 in every octet of `word` that is zero.
    function _zeros(uint256 word) private pure returns (uint256) {
        unchecked {
            return ~(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS);
        }
    }

    function _leadingZeros(uint256 word) private pure returns (uint256 count) {
        assembly ("memory-safe") {
            count := clz(word)
        }
    }

    /// @dev The value of two decimal digits, one per octet, above the lowest `shift` bits.
    function _pair(uint256 digits, uint256 shift) private pure returns (uint256) {
        // both octets are at most 9
        unchecked {
            uint256 pair = digits >> shift;
            return 10 * ((pair >> 8) & 0xff) + (pair & 0xff);
        }
    }

    function _word(uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(offset)
        }
    }
}
