// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Der
/// @notice Reads DER (X.690) strictly: the expected tag, the shortest length, nothing beyond the enclosing element.
/// @dev All functions take an `offset` into `der` and the `end` of the enclosing element. Callers keep
/// `offset <= end <= der.length <= 2^16`, so sums of offsets and lengths cannot overflow. A word that is read may reach
/// past the end, which does no harm: what lies there is masked off, or refused by the check against `end`.
library Der {
    uint8 internal constant BOOLEAN = 0x01;
    uint8 internal constant INTEGER = 0x02;
    uint8 internal constant BIT_STRING = 0x03;
    uint8 internal constant OCTET_STRING = 0x04;
    uint8 internal constant OBJECT_IDENTIFIER = 0x06;
    uint8 internal constant UTC_TIME = 0x17;
    uint8 internal constant SEQUENCE = 0x30;

    /// @notice At that offset another tag stands.
    error DerTagUnexpected(uint256 offset, uint8 expected, uint8 actual);
    /// @notice The length at that offset is indefinite, longer than needed, or above 65,535.
    error DerLengthInvalid(uint256 offset);
    /// @notice The element at that offset ends beyond what encloses it.
    error DerTruncated(uint256 offset);
    /// @notice The element ends at `offset`, and what encloses it only at `end`.
    error DerBytesTrailing(uint256 offset, uint256 end);
    /// @notice The value at that offset isn't the one which the format fixes.
    error DerValueUnexpected(uint256 offset);
    /// @notice The integer at that offset is negative, not minimal, or longer than 32 bytes.
    error DerIntegerInvalid(uint256 offset);

    /// @notice Enters the element at `offset`: its content is [content, next).
    function open(bytes memory der, uint256 offset, uint256 end, uint8 tag)
        internal
        pure
        returns (uint256 content, uint256 next)
    {
        unchecked {
            if (offset + 2 > end) revert DerTruncated(offset);
            uint256 head = word(der, offset);
            if (head >> 248 != tag) revert DerTagUnexpected(offset, tag, uint8(head >> 248));
            uint256 size = (head >> 240) & 0xff;
            content = offset + 2;
            if (size >= 0x80) {
                uint256 lengthBytes = size - 0x80;
                if (lengthBytes != 1 && lengthBytes != 2) revert DerLengthInvalid(offset);
                size = lengthBytes == 1 ? (head >> 232) & 0xff : (head >> 224) & 0xffff;
                if (size < (lengthBytes == 1 ? 0x80 : 0x100)) revert DerLengthInvalid(offset);
                content += lengthBytes;
            }
            next = content + size;
            if (next > end) revert DerTruncated(offset);
        }
    }

    /// @notice Enters the element at `offset`, which must fill what encloses it.
    function openLast(bytes memory der, uint256 offset, uint256 end, uint8 tag)
        internal
        pure
        returns (uint256 content)
    {
        uint256 next;
        (content, next) = open({der: der, offset: offset, end: end, tag: tag});
        finish(next, end);
    }

    /// @notice Steps over fixed bytes: the upper `size` bytes (at most 32) of `expected`.
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
    function integer(bytes memory der, uint256 offset, uint256 end)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        unchecked {
            uint256 content;
            (content, next) = open({der: der, offset: offset, end: end, tag: INTEGER});
            uint256 size = next - content;
            uint256 head = word(der, content);
            bool leadsWithZero = head >> 248 == 0;
            // a leading zero only where the next bit would make the number negative
            bool minimal = !leadsWithZero || size == 1 || (head >> 247) & 1 == 1;
            if (size == 0 || size > (leadsWithZero ? 33 : 32) || head >> 255 == 1 || !minimal) {
                revert DerIntegerInvalid(offset);
            }
            value = size == 33 ? word(der, content + 1) : head >> (256 - 8 * size);
        }
    }

    /// @notice Reads a BOOLEAN: DER knows 00 and ff only.
    function boolean(bytes memory der, uint256 offset, uint256 end) internal pure returns (bool value, uint256 next) {
        uint256 content;
        (content, next) = open({der: der, offset: offset, end: end, tag: BOOLEAN});
        uint256 octet = word(der, content) >> 248;
        if (next - content != 1 || (octet != 0 && octet != 0xff)) revert DerValueUnexpected(offset);
        value = octet == 0xff;
    }

    /// @notice Refuses bytes between what has been read and the end of what encloses it.
    function finish(uint256 offset, uint256 end) internal pure {
        if (offset != end) revert DerBytesTrailing(offset, end);
    }

    /// @notice keccak256 of [start, end).
    function keccak(bytes memory der, uint256 start, uint256 end) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(add(add(der, 0x20), start), sub(end, start))
        }
    }

    /// @notice The 32 bytes at `offset`, left-aligned; past the end of `der` they are arbitrary.
    function word(bytes memory der, uint256 offset) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(der, 0x20), offset))
        }
    }
}
