// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";
import {DateTimeLib} from "solady/utils/DateTimeLib.sol";

/// @title CertificateTime
/// @notice Reads the dates of a certificate or CRL.
/// @dev Only UTCTime, in the only form that RFC 5280 allows (YYMMDDHHMMSSZ). It covers dates until the end of 2049,
/// when Intel's root expires. GeneralizedTime, which later dates need, is refused.
library CertificateTime {
    /// @notice The value at `offset` is not a calendar date written as YYMMDDHHMMSSZ.
    error CertificateTimeInvalid(uint256 offset);

    uint256 private constant SIZE = 13;

    // Twelve octets each: "0"; 118, which added to a digit sets the highest bit exactly if it exceeds 9; the highest
    // bit.
    uint256 private constant ASCII_ZEROS = 0x303030303030303030303030;
    uint256 private constant ABOVE_NINE = 0x767676767676767676767676;
    uint256 private constant HIGH_BITS = 0x808080808080808080808080;

    /// @notice Reads the UTCTime at `offset` as Unix seconds.
    function read(bytes memory der, uint256 offset, uint256 end) internal pure returns (uint40 time, uint256 next) {
        uint256 content;
        (content, next) = Der.enter({der: der, offset: offset, end: end, tag: Der.UTC_TIME});
        uint256 text = Der.word(der, content);
        // twelve digits, then "Z"
        uint256 digits = (text >> 160) ^ ASCII_ZEROS;
        bool allDigits = (digits | (digits + ABOVE_NINE)) & HIGH_BITS == 0;
        if (next - content != SIZE || (text >> 152) & 0xff != 0x5a || !allDigits) {
            revert CertificateTimeInvalid(offset);
        }
        time = _timestamp(digits, offset);
    }

    /// @dev Twelve decimal digits, one per octet, as Unix seconds.
    function _timestamp(uint256 digits, uint256 offset) private pure returns (uint40) {
        uint256 year = _pair(digits, 80);
        // RFC 5280 section 4.1.2.5.1
        year += year < 50 ? 2000 : 1900;
        (uint256 month, uint256 day) = (_pair(digits, 64), _pair(digits, 48));
        (uint256 hour, uint256 minute, uint256 second) = (_pair(digits, 32), _pair(digits, 16), _pair(digits, 0));
        bool exists = DateTimeLib.isSupportedDate({year: year, month: month, day: day});
        // solady does not support years before 1970, so the result is never negative; 2049 fits into 40 bits
        if (!exists || hour > 23 || minute > 59 || second > 59) revert CertificateTimeInvalid(offset);
        uint256 daysSinceEpoch = DateTimeLib.dateToEpochDay({year: year, month: month, day: day});
        return uint40(daysSinceEpoch * 1 days + hour * 1 hours + minute * 1 minutes + second);
    }

    /// @dev The value of two decimal digits, one per octet, above the lowest `shift` bits.
    function _pair(uint256 digits, uint256 shift) private pure returns (uint256) {
        // both octets are at most 9
        unchecked {
            uint256 pair = digits >> shift;
            return 10 * ((pair >> 8) & 0xff) + (pair & 0xff);
        }
    }
}
