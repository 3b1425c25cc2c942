// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CrlProfile} from "./CrlProfile.sol";

/// @title CrlEncoding
/// @notice Writes the tbsCertList of a long CRL in DER, from entries of a fixed size.
/// @dev Each entry has one encoding only, and each encoding starts with its length. So the entries that a signed list
/// has can be written in one way, and no others yield the same bytes. The whole is in memory at once, because SHA-256
/// cannot be continued from one call to the next; so it is written in place, not joined.
///
/// Entries: serial number 20 ‖ index of the ending 2.
library CrlEncoding {
    uint256 internal constant ENTRY_BYTES = 22;

    // SEQUENCE and its length 2, INTEGER and its length 2, the number 21, date and reason 29
    uint256 private constant MAX_ENCODED_BYTES = 54;
    // SEQUENCE, and a length of up to four bytes
    uint256 private constant MAX_HEADER_BYTES = 5;

    /// @notice Checks what follows the serial number of an entry, and puts each into a word: the text first, its size
    /// in the last byte.
    function packEndings(bytes[] calldata endings) internal pure returns (uint256[] memory words) {
        words = new uint256[](endings.length);
        for (uint256 i = 0; i < words.length; ++i) {
            bytes memory ending = endings[i];
            // 15 bytes, or 29
            CrlProfile.requireEnding(ending);
            words[i] = uint256(bytes32(ending)) | ending.length;
        }
    }

    /// @notice Reserves memory for `count` entries, and for what is written before and behind them.
    /// @return start Where the entries start.
    /// @return end What they cannot exceed.
    function reserve(uint256 count, uint256 before, uint256 behind)
        internal
        pure
        returns (uint256 start, uint256 end)
    {
        before += 2 * MAX_HEADER_BYTES;
        assembly ("memory-safe") {
            start := add(mload(0x40), before)
            end := add(start, mul(count, MAX_ENCODED_BYTES))
            // an ending is written as a whole word
            mstore(0x40, and(add(add(end, behind), 0x5f), not(0x1f)))
        }
    }

    /// @notice Writes the entries from `position` on, which {reserve} returned.
    /// @return next Where the next ones start.
    /// @return isValid Whether all of them have a serial number above zero and an ending that there is.
    function writeEntries(bytes memory entries, uint256[] memory endings, uint256 position)
        internal
        pure
        returns (uint256 next, bool isValid)
    {
        assembly ("memory-safe") {
            let cursor := add(entries, 0x20)
            let end := add(cursor, mload(entries))
            let endingCount := mload(endings)
            let firstEnding := add(endings, 0x20)
            next := position
            isValid := 1
            for {} lt(cursor, end) { cursor := add(cursor, ENTRY_BYTES) } {
                let entry := mload(cursor)
                let serial := shr(96, entry)
                let index := and(shr(80, entry), 0xffff)
                if or(iszero(serial), iszero(lt(index, endingCount))) {
                    isValid := 0
                    break
                }
                let ending := mload(add(firstEnding, shl(5, index)))
                let endingSize := and(ending, 0xff)
                // the shortest two's complement: as many bytes as there are bits and the sign
                let serialSize := add(shr(3, sub(256, clz(serial))), 1)
                // SEQUENCE, its length, INTEGER, its length, the number
                let head := shl(240, add(0x3002, add(serialSize, endingSize)))
                head := or(head, shl(224, add(0x0200, serialSize)))
                mstore(next, or(head, shl(sub(224, shl(3, serialSize)), serial)))
                next := add(next, add(serialSize, 4))
                mstore(next, ending)
                next := add(next, endingSize)
            }
        }
    }

    /// @notice SHA-256 of SEQUENCE { fields, SEQUENCE { the entries in [start, end) }, extensions }.
    function hash(uint256 start, uint256 end, bytes memory fields, bytes memory extensions)
        internal
        view
        returns (bytes32 digest)
    {
        bytes memory list = _header(end - start);
        bytes memory whole = _header(fields.length + list.length + (end - start) + extensions.length);
        bytes memory head = bytes.concat(whole, fields, list);
        bool success;
        assembly ("memory-safe") {
            let size := mload(head)
            start := sub(start, size)
            mcopy(start, add(head, 0x20), size)
            size := mload(extensions)
            mcopy(end, add(extensions, 0x20), size)
            end := add(end, size)
            // the precompile of SHA-256
            success := staticcall(gas(), 2, start, sub(end, start), 0, 0x20)
            digest := mload(0)
        }
        assert(success);
    }

    /// @notice Appends the serial numbers in [start, end) to an array at the end of the used memory.
    function appendSerials(uint256[] memory serials, bytes memory entries, uint256 start, uint256 end) internal pure {
        assembly ("memory-safe") {
            let cursor := add(entries, 0x20)
            let last := add(cursor, mload(entries))
            let target := mload(0x40)
            for {} lt(cursor, last) { cursor := add(cursor, ENTRY_BYTES) } {
                let serial := shr(96, mload(cursor))
                if and(iszero(lt(serial, start)), lt(serial, end)) {
                    mstore(target, serial)
                    target := add(target, 0x20)
                }
            }
            mstore(0x40, target)
            mstore(serials, shr(5, sub(target, add(serials, 0x20))))
        }
    }

    /// @dev The tag of a SEQUENCE, and a length below 2^24 in its shortest form.
    function _header(uint256 size) private pure returns (bytes memory) {
        if (size < 0x80) return abi.encodePacked(bytes1(0x30), uint8(size));
        if (size < 0x100) return abi.encodePacked(bytes2(0x3081), uint8(size));
        if (size < 0x10000) return abi.encodePacked(bytes2(0x3082), uint16(size));
        // more would need more gas than a transaction may use
        assert(size < 1 << 24);
        return abi.encodePacked(bytes2(0x3083), uint24(size));
    }
}
