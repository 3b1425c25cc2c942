// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {ILongCrls, LongCrl} from "../../../../contracts/interfaces/attestation/ILongCrls.sol";
import {CollateralFixture} from "./CollateralFixture.sol";
import {LibSort} from "solady/utils/LibSort.sol";

/// @notice CRLs of the simulated platform authority, in parts. Their DER is written here as well, independently.
abstract contract LongCrlFixture is CollateralFixture {
    uint256 internal constant MAX_PART = 1117;
    uint256 internal constant MAX_PAGE = 1228;
    uint256 internal constant END = 1 << 160;
    bytes internal constant REASON = hex"300c300a0603551d1504030a0101";
    bytes internal constant HEAD = hex"020101300a06082a8648ce3d040302";

    ILongCrls internal longCrls;

    function setUp() public virtual override {
        super.setUp();
        longCrls = dcap.longCrls();
    }

    /* MAKING */

    /// @dev That many serial numbers without order, of all sizes that Intel's have: some with a leading zero byte.
    function _many(uint256 count, uint256 seed) internal pure returns (uint256[] memory serials) {
        serials = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            serials[i] = uint160(uint256(keccak256(abi.encode(seed, i)))) >> (i % 300 == 7 ? 9 : 0);
        }
    }

    /// @dev Signed, with all of its parts stored.
    function _longCrl(uint256 thisUpdate, uint256 nextUpdate, uint256[] memory serials)
        internal
        returns (LongCrl memory list)
    {
        list = _unsigned(thisUpdate, nextUpdate);
        list.parts = _addParts(_entries(serials, 0));
        _sign(list, _derOf(serials, list.endings[0]));
    }

    /// @dev Without parts and signature. Its entries have a date of their own.
    function _unsigned(uint256 thisUpdate, uint256 nextUpdate) internal view returns (LongCrl memory list) {
        list.issuer = _issuerOf(_bytes(SIMULATED, "pckCrl"));
        list.thisUpdate = _utcTime(thisUpdate);
        list.nextUpdate = _utcTime(nextUpdate);
        list.endings = new bytes[](1);
        list.endings[0] = bytes.concat(_utcTime(thisUpdate - 1), REASON);
        list.extensions = _crlExtensions();
    }

    /// @dev By the authority, over what a CRL with these entries (DER, joined) has.
    function _sign(LongCrl memory list, bytes memory revoked) internal view {
        bytes memory fields =
            bytes.concat(HEAD, list.issuer, list.thisUpdate, list.nextUpdate, _longElement(revoked), list.extensions);
        (bytes32 r, bytes32 s) =
            cheats.signP256(uint256(_word(SIMULATED, "authorityKey")), sha256(_longElement(fields)));
        (list.r, list.s) = (uint256(r), uint256(s));
    }

    /// @dev A SEQUENCE of any length up to 2^24.
    function _longElement(bytes memory content) internal pure returns (bytes memory) {
        if (content.length < 0x10000) return _element(0x30, content);
        return abi.encodePacked(bytes2(0x3083), uint24(content.length), content);
    }

    /// @dev The DER of entries with the same ending, joined. One part after the other: what memory costs grows fast.
    function _derOf(uint256[] memory serials, bytes memory ending) internal pure returns (bytes memory der) {
        der = new bytes(54 * serials.length);
        uint256 size = 0;
        for (uint256 i = 0; i < serials.length; ++i) {
            uint256 used;
            assembly ("memory-safe") {
                used := mload(0x40)
            }
            bytes memory entry = _element(0x30, bytes.concat(_integer(serials[i]), ending));
            assembly ("memory-safe") {
                mcopy(add(add(der, 0x20), size), add(entry, 0x20), mload(entry))
                size := add(size, mload(entry))
                mstore(0x40, used)
            }
        }
        assembly ("memory-safe") {
            mstore(der, size)
        }
    }

    /// @dev As parts have them, joined.
    function _entries(uint256[] memory serials, uint256 ending) internal pure returns (bytes memory entries) {
        entries = new bytes(22 * serials.length);
        for (uint256 i = 0; i < serials.length; ++i) {
            uint256 entry = (serials[i] << 96) | (ending << 80);
            // ascending, so the next entry overwrites what is too much
            assembly ("memory-safe") {
                let target := add(add(entries, 0x20), mul(i, 22))
                mstore(target, or(entry, and(mload(target), 0xffffffffffffffffffff)))
            }
        }
    }

    /* UPLOADING */

    function _addParts(bytes memory entries) internal returns (address[] memory parts) {
        uint256 size = 22 * MAX_PART;
        parts = new address[]((entries.length + size - 1) / size);
        for (uint256 i = 0; i < parts.length; ++i) {
            uint256 end = (i + 1) * size < entries.length ? (i + 1) * size : entries.length;
            parts[i] = longCrls.addPart(_copied(entries, i * size, end));
        }
    }

    /// @dev {_slice}, by words.
    function _copied(bytes memory source, uint256 start, uint256 end) internal pure returns (bytes memory part) {
        part = new bytes(end - start);
        assembly ("memory-safe") {
            mcopy(add(part, 0x20), add(add(source, 0x20), start), sub(end, start))
        }
    }

    /// @dev All pages that are missing, as full as {MAX_PAGE} allows, the last two of the same length.
    function _addPages(address[] memory parts, uint256[] memory serials) internal {
        uint256 start = longCrls.sortedUntil(parts);
        while (start != END) {
            start = _pageEnd(serials, start);
            longCrls.addPage(parts, start);
        }
    }

    function _pageEnd(uint256[] memory serials, uint256 start) internal pure returns (uint256) {
        uint256[] memory sorted = _ascending(serials);
        uint256 first = 0;
        while (first < sorted.length && sorted[first] < start) ++first;
        uint256 count = sorted.length - first;
        uint256 pages = (count + MAX_PAGE - 1) / MAX_PAGE;
        return pages < 2 ? END : sorted[first + (count + pages - 1) / pages];
    }

    function _ascending(uint256[] memory serials) internal pure returns (uint256[] memory sorted) {
        sorted = new uint256[](serials.length);
        for (uint256 i = 0; i < serials.length; ++i) {
            sorted[i] = serials[i];
        }
        LibSort.sort(sorted);
        LibSort.uniquifySorted(sorted);
    }
}
