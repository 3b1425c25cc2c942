// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Der} from "./Der.sol";
import {DateTimeLib} from "solady/utils/DateTimeLib.sol";

/// @title CertificateTime
/// @notice Reads a certificate's validity.
/// @dev UTCTime alone, in the one form RFC 5280 allows (YYMMDDHHMMSSZ): it reaches to the end of 2049, as Intel's root
/// does. GeneralizedTime, which later dates need, is refused.
library CertificateTime {
    /// @notice The time at that offset isn't a date of the calendar written as YYMMDDHHMMSSZ.
    error CertificateTimeInvalid(uint256 offset);

    uint256 private constant SIZE = 13;

    /// @notice Reads the UTCTime at `offset` as Unix seconds.
    function read(bytes memory der, uint256 offset, uint256 end) internal pure returns (uint40 time, uint256 next) {
        uint256 content;
        (content, next) = Der.open({der: der, offset: offset, end: end, tag: Der.UTC_TIME});
        uint256 text = Der.word(der, content);
        if (next - content != SIZE || (text >> 152) & 0xff != 0x5a) revert CertificateTimeInvalid(offset);
        uint256 year = _pair(text, 0, offset);
        // RFC 5280 section 4.1.2.5.1
        year += year < 50 ? 2000 : 1900;
        time = _timestamp(text, year, offset);
    }

    function _timestamp(uint256 text, uint256 year, uint256 offset) private pure returns (uint40) {
        uint256 month = _pair(text, 1, offset);
        uint256 day = _pair(text, 2, offset);
        uint256 hour = _pair(text, 3, offset);
        uint256 minute = _pair(text, 4, offset);
        uint256 second = _pair(text, 5, offset);
        bool exists = DateTimeLib.isSupportedDateTime({
            year: year, month: month, day: day, hour: hour, minute: minute, second: second
        });
        // years before 1970 aren't supported, so the result is never negative; 2049 fits into 40 bits
        if (!exists) revert CertificateTimeInvalid(offset);
        return uint40(
            DateTimeLib.dateTimeToTimestamp({
                year: year, month: month, day: day, hour: hour, minute: minute, second: second
            })
        );
    }

    /// @dev Two ASCII digits, counted in pairs from the left of the word.
    function _pair(uint256 text, uint256 index, uint256 offset) private pure returns (uint256) {
        uint256 pair = (text >> (240 - 16 * index)) & 0xffff;
        uint256 tens = (pair >> 8) ^ 0x30;
        uint256 ones = (pair & 0xff) ^ 0x30;
        if (tens > 9 || ones > 9) revert CertificateTimeInvalid(offset);
        return 10 * tens + ones;
    }
}
