// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Crl} from "../../interfaces/attestation/ICrlReader.sol";
import {ILongCrls, LongCrl} from "../../interfaces/attestation/ILongCrls.sol";
import {CertificateTime} from "../certificates/CertificateTime.sol";
import {CrlEncoding} from "./CrlEncoding.sol";
import {CrlProfile} from "./CrlProfile.sol";
import {RevokedSerials} from "./RevokedSerials.sol";
import {LibSort} from "solady/utils/LibSort.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

/// @title LongCrls
/// @notice See {ILongCrls}.
/// @dev Nothing here is parsed: {CrlEncoding} writes the only DER that a CRL of these entries can have, and a signature
/// over it shows that they are all of Intel's, and in order. A part is the code of a contract that this one created,
/// so it can never change.
contract LongCrls is ILongCrls {
    /// @dev Serial numbers from `start` until before the start of the next page.
    struct Page {
        uint160 start;
        address serials;
    }

    uint256 private constant _END = 1 << 160;
    // a contract's code has at most 24,576 bytes, of which SSTORE2 needs one
    uint256 private constant _MAX_PART_BYTES = 1117 * CrlEncoding.ENTRY_BYTES;
    uint256 private constant _MAX_PAGE_SERIALS = 1228;

    mapping(address part => uint256 size) private _partBytes;
    // a list of parts is named by keccak256 of their addresses
    mapping(bytes32 listId => Page[] pages) private _pages;
    mapping(bytes32 listId => uint256 end) private _sortedUntil;

    /* UPLOADING */

    /// @inheritdoc ILongCrls
    function addPart(bytes calldata entries) external returns (address part) {
        uint256 size = entries.length;
        if (size == 0 || size > _MAX_PART_BYTES || size % CrlEncoding.ENTRY_BYTES != 0) {
            revert CrlPartLengthInvalid(size);
        }
        part = _store(entries);
        if (_partBytes[part] != 0) return part;
        _partBytes[part] = size;
        emit CrlPartAdded(part);
    }

    /// @inheritdoc ILongCrls
    /// @dev That each page but the last is at least half full bounds what a caller can do to a list that others sort as
    /// well: at worst it has twice as many pages, which that caller paid for.
    function addPage(address[] calldata parts, uint256 end) external returns (address page) {
        bytes32 listId = _listId(parts);
        uint256 start = _sortedUntil[listId];
        if (end <= start || end > _END) revert CrlPageEndInvalid(start, end);
        uint256[] memory serials = _serialsBetween(parts, start, end);
        LibSort.sort(serials);
        LibSort.uniquifySorted(serials);
        uint256 count = serials.length;
        if (count > _MAX_PAGE_SERIALS || (end != _END && count < _MAX_PAGE_SERIALS / 2)) {
            revert CrlPageLengthInvalid(count, _MAX_PAGE_SERIALS);
        }
        page = _store(RevokedSerials.pack(serials));
        _pages[listId].push(Page({start: uint160(start), serials: page}));
        _sortedUntil[listId] = end;
        emit CrlPageAdded(listId, start, end, page);
    }

    /// @dev The contract whose code is `content`. The same content is stored once.
    function _store(bytes memory content) private returns (address pointer) {
        pointer = SSTORE2.predictCounterfactualAddress(content, 0);
        if (pointer.code.length == 0) SSTORE2.writeCounterfactual(content, 0);
    }

    /* READING */

    /// @inheritdoc ILongCrls
    function findPart(bytes calldata entries) external view returns (address part, bool isThere) {
        part = SSTORE2.predictCounterfactualAddress(entries, 0);
        isThere = _partBytes[part] != 0;
    }

    /// @inheritdoc ILongCrls
    function sortedUntil(address[] calldata parts) external view returns (uint256 end) {
        return _sortedUntil[_listId(parts)];
    }

    /// @inheritdoc ILongCrls
    function read(LongCrl calldata list) external view returns (Crl memory crl) {
        (crl.r, crl.s) = (list.r, list.s);
        crl.issuer = keccak256(list.issuer);
        (crl.thisUpdate, crl.nextUpdate) = (_readDate(list.thisUpdate), _readDate(list.nextUpdate));
        crl.serials = _directory(_listId(list.parts));
        crl.digest = _digest(list);
    }

    function _readDate(bytes memory der) private pure returns (uint40 time) {
        uint256 end;
        (time, end) = CertificateTime.read({der: der, offset: 0, end: der.length});
        if (end != der.length) revert CrlDateInvalid(der);
    }

    /// @dev See {RevokedSerials}.
    function _directory(bytes32 listId) private view returns (bytes memory directory) {
        uint256 end = _sortedUntil[listId];
        if (end != _END) revert CrlPagesMissing(end);
        Page[] memory pages = _pages[listId];
        for (uint256 i = 0; i < pages.length; ++i) {
            directory = abi.encodePacked(directory, pages[i].start, pages[i].serials);
        }
    }

    /// @dev SHA-256 of the tbsCertList.
    function _digest(LongCrl calldata list) private view returns (bytes32) {
        bytes memory extensions = list.extensions;
        CrlProfile.requireExtensions({der: extensions, offset: 0, end: extensions.length});
        uint256[] memory endings = CrlEncoding.packEndings(list.endings);
        bytes memory fields = abi.encodePacked(
            CrlProfile.VERSION_2, CrlProfile.ECDSA_WITH_SHA256, list.issuer, list.thisUpdate, list.nextUpdate
        );
        bytes memory part = _partBuffer();
        (uint256 start, uint256 end) =
            CrlEncoding.reserve({count: _entryCount(list.parts), before: fields.length, behind: extensions.length});
        uint256 position = start;
        for (uint256 i = 0; i < list.parts.length; ++i) {
            _readPart(list.parts[i], part);
            bool isValid;
            (position, isValid) = CrlEncoding.writeEntries({entries: part, endings: endings, position: position});
            if (!isValid) revert CrlEntryInvalid(list.parts[i]);
        }
        assert(position <= end);
        return CrlEncoding.hash({start: start, end: position, fields: fields, extensions: extensions});
    }

    /// @dev The serial numbers from `start` until before `end`, in the order of the parts.
    function _serialsBetween(address[] calldata parts, uint256 start, uint256 end)
        private
        view
        returns (uint256[] memory serials)
    {
        bytes memory part = _partBuffer();
        assembly ("memory-safe") {
            serials := mload(0x40)
            mstore(serials, 0)
            mstore(0x40, add(serials, 0x20))
        }
        for (uint256 i = 0; i < parts.length; ++i) {
            _readPart(parts[i], part);
            CrlEncoding.appendSerials({serials: serials, entries: part, start: start, end: end});
        }
    }

    /* PARTS */

    /// @dev Reverts for an unknown part, and for none.
    function _listId(address[] calldata parts) private view returns (bytes32) {
        if (parts.length == 0) revert CrlPartUnknown(address(0));
        for (uint256 i = 0; i < parts.length; ++i) {
            if (_partBytes[parts[i]] == 0) revert CrlPartUnknown(parts[i]);
        }
        return keccak256(abi.encodePacked(parts));
    }

    function _entryCount(address[] calldata parts) private view returns (uint256 count) {
        for (uint256 i = 0; i < parts.length; ++i) {
            count += _partBytes[parts[i]] / CrlEncoding.ENTRY_BYTES;
        }
    }

    /// @dev Memory for any part, used for one after the other: what a call costs grows with the square of its memory.
    function _partBuffer() private pure returns (bytes memory) {
        return new bytes(_MAX_PART_BYTES + 32);
    }

    function _readPart(address part, bytes memory buffer) private view {
        uint256 size = _partBytes[part];
        assembly ("memory-safe") {
            mstore(buffer, size)
            extcodecopy(part, add(buffer, 0x20), 1, size)
        }
    }
}
