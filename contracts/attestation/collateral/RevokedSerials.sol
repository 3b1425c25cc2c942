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
    function contains(bytes memory serials, uint256 offset, uint160 serial) internal pure returns (bool) {
        uint256 index = _firstNotBelow({list: serials, offset: offset, size: SERIAL_BYTES, serial: serial});
        uint256 position = offset + SERIAL_BYTES * index;
        return position < serials.length && _serialAt(serials, position) == serial;
    }

    /// @notice The same for a list in pages, whose directory begins at `offset`.
    function containsInPages(bytes memory directory, uint256 offset, uint160 serial) internal view returns (bool) {
        // the last page that begins at or below it; the first one begins at zero
        uint256 index =
            _firstNotBelow({list: directory, offset: offset, size: PAGE_BYTES, serial: uint256(serial) + 1}) - 1;
        address page = _pageAt(directory, offset + PAGE_BYTES * index);
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
            address page = _pageAt(directory, position);
            assembly ("memory-safe") {
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

    /// @dev Binary search among elements of `size` bytes, which start with a serial number: the index of the first that
    /// is not below `serial`, or their number.
    function _firstNotBelow(bytes memory list, uint256 offset, uint256 size, uint256 serial)
        private
        pure
        returns (uint256 low)
    {
        if (list.length <= offset) return 0;
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
        }
    }

    function _serialAt(bytes memory list, uint256 position) private pure returns (uint256 serial) {
        assembly ("memory-safe") {
            serial := shr(96, mload(add(add(list, 0x20), position)))
        }
    }

    function _pageAt(bytes memory directory, uint256 position) private pure returns (address) {
        return address(uint160(_serialAt(directory, position + SERIAL_BYTES)));
    }
}
