// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// JSON is full of quotation marks.
// solhint-disable quotes

import {TcbStatus} from "../../types/VerifiedQuote.sol";
import {DateTimeLib} from "solady/utils/DateTimeLib.sol";

/// @title CollateralJson
/// @notice Reads the JSON of Intel's collateral where it lies in calldata, strictly: the keys in Intel's order, no
/// white space, no escapes, no key that isn't known, every value of its form.
/// @dev All functions take the calldata offset `place` of what they read and the `end` of the text, and return the
/// offset behind. What lies beyond `end` is read with a word at times, and never believed.
library CollateralJson {
    /// @notice So many characters before the end of the text stands what doesn't belong there.
    error JsonUnexpected(uint256 charactersLeft);

    // one octet each, 32 times
    uint256 private constant ONES = 0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant HIGH_BITS = 0x8080808080808080808080808080808080808080808080808080808080808080;
    uint256 private constant LOW_BITS = 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f;
    uint256 private constant LOW_NIBBLES = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
    uint256 private constant ZERO_DIGITS = 0x3030303030303030303030303030303030303030303030303030303030303030;

    // "0000-00-00T00:00:00Z" between quotation marks, 22 characters; where its digits are; 118, which takes 10 and more
    // to 128 and more, and 9 only to 127
    uint256 private constant TIME = 0x22303030302d30302d30305430303a30303a30305a22;
    uint256 private constant TIME_DIGITS = 0x00ffffffff00ffff00ffff00ffff00ffff00ffff0000;
    uint256 private constant TIME_ABOVE_NINE = 0x76767676767676767676767676767676767676767676;
    uint256 private constant TIME_HIGH_BITS = 0x80808080808080808080808080808080808080808080;
    uint256 private constant TIME_SIZE = 22;

    /// @notice Steps over fixed text: the upper `size` bytes (at most 32) of `text`.
    function expect(uint256 place, uint256 end, bytes32 text, uint256 size) internal pure returns (uint256 next) {
        // calldata offsets are far below 2^64
        unchecked {
            next = place + size;
            if (next > end || (_word(place) ^ uint256(text)) >> (256 - 8 * size) != 0) _refuse(place, end);
        }
    }

    /// @notice Steps over one character if it is there.
    function take(uint256 place, bytes1 character) internal pure returns (bool found, uint256 next) {
        found = bytes1(bytes32(_word(place))) == character;
        next = found ? place + 1 : place;
    }

    /// @notice Whether that text begins here.
    function startsWith(uint256 place, bytes32 text, uint256 size) internal pure returns (bool) {
        return (_word(place) ^ uint256(text)) >> (256 - 8 * size) == 0;
    }

    /// @notice An integer from 0 to `max`, which has at most five digits.
    function number(uint256 place, uint256 end, uint256 max) internal pure returns (uint256 value, uint256 next) {
        unchecked {
            uint256 text = _word(place);
            next = place;
            while (true) {
                uint256 digit = (text >> 248) ^ 0x30;
                if (digit > 9) break;
                // no zero before other digits, and no overflow
                if (next - place == 5 || (next != place && value == 0)) _refuse(place, end);
                value = 10 * value + digit;
                text <<= 8;
                ++next;
            }
            if (next == place || next > end || value > max) _refuse(place, end);
        }
    }

    /// @notice A time as Unix seconds: "2026-08-13T10:45:38Z", with its quotation marks.
    function time(uint256 place, uint256 end) internal pure returns (uint256 value, uint256 next) {
        unchecked {
            next = place + TIME_SIZE;
            uint256 digits = (_word(place) >> 80) ^ TIME;
            bool isTime = digits & ~TIME_DIGITS == 0 && (digits | (digits + TIME_ABOVE_NINE)) & TIME_HIGH_BITS == 0;
            if (next > end || !isTime) _refuse(place, end);
            uint256 year = 100 * _pair(digits, 152) + _pair(digits, 136);
            uint256 month = _pair(digits, 112);
            uint256 day = _pair(digits, 88);
            uint256 hour = _pair(digits, 64);
            uint256 minute = _pair(digits, 40);
            uint256 second = _pair(digits, 16);
            bool exists = year >= 1970 && DateTimeLib.isSupportedDate(year, month, day);
            if (!exists || hour > 23 || minute > 59 || second > 59) _refuse(place, end);
            value = DateTimeLib.dateToEpochDay(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        }
    }

    /// @notice So many hexadecimal digits (even, at most 32) of either case, between quotation marks.
    /// @return value In the lowest bits.
    function hexadecimal(uint256 place, uint256 end, uint256 digits)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        place = expect(place, end, '"', 1);
        value = _nibbles(place, end, digits);
        next = expect(place + digits, end, '"', 1);
    }

    /// @notice 64 hexadecimal digits of either case, between quotation marks.
    function hexadecimalWord(uint256 place, uint256 end) internal pure returns (uint256 value, uint256 next) {
        place = expect(place, end, '"', 1);
        value = (_nibbles(place, end, 32) << 128) | _nibbles(place + 32, end, 32);
        next = expect(place + 64, end, '"', 1);
    }

    /// @notice 96 hexadecimal digits, between quotation marks: whether all of them are zero.
    function hexadecimalIsZero(uint256 place, uint256 end) internal pure returns (bool isZero, uint256 next) {
        place = expect(place, end, '"', 1);
        uint256 any = _nibbles(place, end, 32) | _nibbles(place + 32, end, 32) | _nibbles(place + 64, end, 32);
        return (any == 0, expect(place + 96, end, '"', 1));
    }

    /// @notice Steps over a string of printable ASCII without escapes, and its quotation marks.
    /// @return size Of what is between the marks.
    function quoted(uint256 place, uint256 end) internal pure returns (uint256 size, uint256 next) {
        unchecked {
            place = expect(place, end, '"', 1);
            next = place;
            while (true) {
                uint256 word = _word(next);
                uint256 marks = _zeros(word ^ (ONES * 0x22));
                uint256 length = marks == 0 ? 32 : _leadingZeros(marks) / 8;
                // up to the mark: no octet above 126, none below 32 (adding 96 makes those of 32 and more 128 and
                // more), no backslash
                uint256 low = word & LOW_BITS;
                uint256 odd = (word | (low + ONES) | ~(low + 0x60 * ONES)) & HIGH_BITS;
                odd |= _zeros(word ^ (ONES * 0x5c));
                if (length != 0 && odd >> (256 - 8 * length) != 0) _refuse(next, end);
                next += length;
                if (next >= end) _refuse(place, end);
                if (marks != 0) return (next - place, next + 1);
            }
        }
    }

    /// @notice A platform's status, in quotation marks.
    function tcbStatus(uint256 place, uint256 end) internal pure returns (TcbStatus status, uint256 next) {
        uint256 size;
        (size, next) = quoted(place, end);
        unchecked {
            uint256 word = _word(place + 1);
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
            bool isBoth = bytes32(word) == "ConfigurationAndSWHardeningNeede" && _word(place + 33) >> 248 == 0x64;
            if (size == 33 && isBoth) return (TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED, next);
        }
        _refuse(place, end);
    }

    /// @notice The status of a module or a quoting enclave, which are up to date, out of date, or revoked.
    function enclaveStatus(uint256 place, uint256 end) internal pure returns (TcbStatus status, uint256 next) {
        (status, next) = tcbStatus(place, end);
        bool isOne = status == TcbStatus.UP_TO_DATE || status == TcbStatus.OUT_OF_DATE || status == TcbStatus.REVOKED;
        if (!isOne) _refuse(place, end);
    }

    /// @notice Steps over `,"advisoryIDs":["…","…"]` if it is there.
    function skipAdvisories(uint256 place, uint256 end) internal pure returns (uint256 next) {
        if (!startsWith(place, ',"advisoryIDs":[', 16)) return place;
        bool more;
        (more, next) = take(place + 16, "]");
        while (!more) {
            (, next) = quoted(next, end);
            (more, next) = take(next, "]");
            if (!more) next = expect(next, end, ",", 1);
        }
    }

    function _refuse(uint256 place, uint256 end) private pure {
        revert JsonUnexpected(place < end ? end - place : 0);
    }

    /// @dev Up to 32 hexadecimal digits, as the lowest bits.
    function _nibbles(uint256 place, uint256 end, uint256 digits) private pure returns (uint256 value) {
        unchecked {
            if (place + digits > end) _refuse(place, end);
            uint256 characters = _word(place) >> (256 - 8 * digits);
            // what is missing of 32 becomes the digit zero
            if (digits < 32) characters |= ZERO_DIGITS << (8 * digits);
            uint256 letters = (characters >> 6) & ONES;
            uint256 low = characters & LOW_NIBBLES;
            // 3x for a digit, 4x or 6x for a letter: bit 4 or bit 6, bit 5 unless bit 6, not bit 7
            bool valid = characters & HIGH_BITS == 0 && ((characters >> 4) ^ (characters >> 6)) & ONES == ONES
                && ((characters >> 5) | (characters >> 6)) & ONES == ONES;
            // x up to 9 for a digit, 1 to 6 for a letter
            valid = valid && (low + 6 * ONES + 3 * letters) & (ONES << 4) == 0
                && ((low + LOW_NIBBLES) >> 4) & letters == letters;
            if (!valid) _refuse(place, end);
            value = low + 9 * letters;
            value = (value | (value >> 4)) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
            value = (value | (value >> 8)) & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
            value = (value | (value >> 16)) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
            value = (value | (value >> 32)) & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
            value = (value | (value >> 64)) & type(uint128).max;
        }
    }

    /// @dev 0x80 in every octet that is zero.
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

    /// @dev Two decimal digits, one per octet, the second above `shift` bits.
    function _pair(uint256 digits, uint256 shift) private pure returns (uint256) {
        // both octets are at most 9
        unchecked {
            uint256 pair = digits >> shift;
            return 10 * ((pair >> 8) & 0xff) + (pair & 0xff);
        }
    }

    function _word(uint256 place) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(place)
        }
    }
}
