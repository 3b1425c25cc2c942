// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CodeBlob} from "./CodeBlob.sol";

/// @title RevokedSerials
/// @notice The serial numbers of a CRL, 20 bytes each, ascending; and of a long one in pages, each the code of a
/// contract.
/// @dev A directory names the pages: per page 20 bytes with the lowest serial number that it could have, ascending from
/// zero, and its address. A page ends where the next one begins, so a serial number is looked for in one page, however
/// long the list.
library RevokedSerials {
    uint256 internal constant SERIAL_BYTES = 20;
    uint256 internal constant PAGE_BYTES = 40;

    /// @notice Packs serial numbers, which are ascending already.
    function pack(uint256[] memory ascending) internal pure returns (bytes memory packed) {
        uint256 count = ascending.length;
        packed = new bytes(SERIAL_BYTES * count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 serial = ascending[i];
            assembly ("memory-safe") {
                // aligned to the end of its 20 bytes, so 12 bytes of the word before are preserved
                let slot_ := add(packed, add(0x14, mul(i, 20)))
                mstore(slot_, or(shl(160, shr(160, mload(slot_))), serial))
            }
        }
    }

    /// @notice Whether the serial numbers from `offset` on include this one.
    function contains(bytes memory serials, uint256 offset, uint160 serial) internal pure returns (bool isContained) {
        if (serials.length <= offset) return false;
        uint256 position = _firstNotBelow({list: serials, offset: offset, size: SERIAL_BYTES, serial: serial});
        assembly ("memory-safe") {
            let end := add(add(serials, 0x20), mload(serials))
            isContained := and(lt(position, end), eq(shr(96, mload(position)), serial))
        }
    }

    /// @notice The same for a list in pages, whose directory begins at `offset`.
    function containsInPages(bytes memory directory, uint256 offset, uint160 serial) internal view returns (bool) {
        // the last page that begins at or below it; the first one begins at zero
        uint256 position =
            _firstNotBelow({list: directory, offset: offset, size: PAGE_BYTES, serial: uint256(serial) + 1});
        address page;
        assembly ("memory-safe") {
            page := shr(96, mload(sub(position, SERIAL_BYTES)))
        }
        return contains(CodeBlob.read(page, page.code.length - 1), 0, serial);
    }

    /// @notice All serial numbers of a list in pages. Meant for readers, not for contracts.
    function readPages(bytes memory directory, uint256 offset) internal view returns (bytes memory serials) {
        uint256 end;
        assembly ("memory-safe") {
            serials := mload(0x40)
            end := add(serials, 0x20)
        }
        for (uint256 position = offset; position < directory.length; position += PAGE_BYTES) {
            assembly ("memory-safe") {
                let page := shr(96, mload(add(add(directory, add(0x20, SERIAL_BYTES)), position)))
                let size := sub(extcodesize(page), 1)
                extcodecopy(page, end, 1, size)
                end := add(end, size)
                mstore(0x40, end)
            }
        }
        assembly ("memory-safe") {
            mstore(serials, sub(end, add(serials, 0x20)))
            mstore(end, 0)
            mstore(0x40, and(add(end, 0x3f), not(0x1f)))
        }
    }

    /// @dev Binary search among elements of `size` bytes, which start with a serial number.
    /// @return low The place in memory of the first that is not below `serial`, or the end of the list.
    function _firstNotBelow(bytes memory list, uint256 offset, uint256 size, uint256 serial)
        private
        pure
        returns (uint256 low)
    {
        // a code blob has at most 24,575 bytes; what a word contains beyond the serial number is shifted out
        assembly ("memory-safe") {
            let first := add(add(list, 0x20), offset)
            let high := div(sub(mload(list), offset), size)
            for {} lt(low, high) {} {
                let middle := shr(1, add(low, high))
                switch lt(shr(96, mload(add(first, mul(middle, size)))), serial)
                case 0 { high := middle }
                default { low := add(middle, 1) }
            }
            low := add(first, mul(low, size))
        }
    }
}
