// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Der
/// @notice Reads DER (X.690) strictly: the expected tag, the shortest length, nothing beyond the enclosing element.
/// @dev All functions take an `offset` into `der` and the `end` of the enclosing element. Callers ensure `offset <= end
/// <= der.length <= 2^16`, so sums of offsets and lengths cannot overflow. A word that is read may extend past the end;
/// the excess is masked off, or refused by the check against `end`.
library Der {
    uint8 internal constant BOOLEAN = 0x01;
    uint8 internal constant INTEGER = 0x02;
    uint8 internal constant BIT_STRING = 0x03;
    uint8 internal constant OCTET_STRING = 0x04;
    uint8 internal constant OBJECT_IDENTIFIER = 0x06;
    uint8 internal constant UTC_TIME = 0x17;
    uint8 internal constant SEQUENCE = 0x30;

    /// @notice The element at `offset` has another tag.
    error DerTagUnexpected(uint256 offset, uint8 expected, uint8 actual);
    /// @notice The length at `offset` is indefinite, longer than needed, or above 65,535.
    error DerLengthInvalid(uint256 offset);
    /// @notice The element at `offset` ends beyond the enclosing element.
    error DerTruncated(uint256 offset);
    /// @notice The last element ends at `offset`, before the enclosing element does.
    error DerBytesTrailing(uint256 offset, uint256 end);
    /// @notice The format prescribes another value at `offset`.
    error DerValueUnexpected(uint256 offset);
    /// @notice The integer at `offset` is negative, not minimal, or longer than 32 bytes.
    error DerIntegerInvalid(uint256 offset);

    /// @notice Enters the element at `offset`; its content is [content, next).
    function enter(bytes memory der, uint256 offset, uint256 end, uint8 tag)
        internal
        pure
        returns (uint256 content, uint256 next)
    {
        unchecked {
            if (offset + 2 > end) revert DerTruncated(offset);
            uint256 header = word(der, offset);
            if (header >> 248 != tag) revert DerTagUnexpected(offset, tag, uint8(header >> 248));
            uint256 size = (header >> 240) & 0xff;
            content = offset + 2;
            if (size >= 0x80) {
                uint256 lengthBytes = size - 0x80;
                if (lengthBytes != 1 && lengthBytes != 2) revert DerLengthInvalid(offset);
                size = lengthBytes == 1 ? (header >> 232) & 0xff : (header >> 224) & 0xffff;
                if (size < (lengthBytes == 1 ? 0x80 : 0x100)) revert DerLengthInvalid(offset);
                content += lengthBytes;
            }
            next = content + size;
            if (next > end) revert DerTruncated(offset);
        }
    }

    /// @notice Enters the element at `offset`, which must be the last of the enclosing element.
    function enterLast(bytes memory der, uint256 offset, uint256 end, uint8 tag)
        internal
        pure
        returns (uint256 content)
    {
        uint256 next;
        (content, next) = enter({der: der, offset: offset, end: end, tag: tag});
        requireEnd(next, end);
    }

    /// @notice Skips fixed bytes: the upper `size` bytes (at most 32) of `expected`.
    function skip(bytes memory der, uint256 offset, uint256 end, bytes32 expected, uint256 size)
        internal
        pure
        returns (uint256 next)
    {
        unchecked {
            next = offset + size;
            if (next > end) revert DerTruncated(offset);
            if ((word(der, offset) ^ uint256(expected)) >> (256 - 8 * size) != 0) revert DerValueUnexpected(offset);
        }
    }

    /// @notice Reads a non-negative INTEGER of at most 32 bytes.
    function readInteger(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        unchecked {
            uint256 content;
            (content, next) = enter({der: der, offset: offset, end: end, tag: INTEGER});
            uint256 size = next - content;
            uint256 header = word(der, content);
            bool leadsWithZero = header >> 248 == 0;
            // a leading zero is minimal only if the next bit would otherwise make the number negative
            bool minimal = !leadsWithZero || size == 1 || (header >> 247) & 1 == 1;
            if (size == 0 || size > (leadsWithZero ? 33 : 32) || header >> 255 == 1 || !minimal) {
                revert DerIntegerInvalid(offset);
            }
            value = size == 33 ? word(der, content + 1) : header >> (256 - 8 * size);
        }
    }

    /// @notice Reads a BOOLEAN, which in DER is 00 or ff.
    function readBoolean(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (bool value, uint256 next)
    {
        uint256 content;
        (content, next) = enter({der: der, offset: offset, end: end, tag: BOOLEAN});
        uint256 octet = word(der, content) >> 248;
        if (next - content != 1 || (octet != 0 && octet != 0xff)) revert DerValueUnexpected(offset);
        value = octet == 0xff;
    }

    /// @notice Reverts unless the enclosing element ends where the last element did.
    function requireEnd(uint256 offset, uint256 end) internal pure {
        if (offset != end) revert DerBytesTrailing(offset, end);
    }

    /// @notice keccak256 of [start, end).
    function keccak(bytes memory der, uint256 start, uint256 end) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(add(add(der, 0x20), start), sub(end, start))
        }
    }

    /// @notice The 32 bytes at `offset`. Those past the end of `der` are arbitrary.
    function word(bytes memory der, uint256 offset) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(der, 0x20), offset))
        }
    }
}
