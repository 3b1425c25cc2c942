// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CertificateTime} from "../../../../contracts/attestation/certificates/CertificateTime.sol";
import {Der} from "../../../../contracts/attestation/certificates/Der.sol";
import {CrlReader} from "../../../../contracts/attestation/collateral/CrlReader.sol";
import {Crl, ICrlReader} from "../../../../contracts/interfaces/attestation/ICrlReader.sol";
import {ILongCrls, LongCrl} from "../../../../contracts/interfaces/attestation/ILongCrls.sol";
import {LongCrlFixture} from "./LongCrlFixture.sol";

/// @dev given the entries of a CRL, in parts
///     when all of them are sorted
///         it should have the digest, issuer and dates that {CrlReader} finds in the CRL itself
///     when a page is missing
///         it should revert
///     when a date, ending, entry or extension is not of the profile
///         it should revert with that error
/// given parts
///     when one is empty, too long, of another length, or unknown
///         it should revert
///     when a stranger has stored the same one
///         it should be that one
///     when a stranger has sorted some pages
///         the others should follow; pages that are almost empty or too long should be refused
contract LongCrlsTest is LongCrlFixture {
    CrlReader private _reader;

    function setUp() public override {
        super.setUp();
        _reader = new CrlReader();
    }

    /* THE SAME AS THE CRL ITSELF */

    function testFuzz_M15_read__any_entries__as_the_crl_itself(
        uint160[5] calldata numbers,
        uint8[5] calldata shifts,
        uint8 withoutReason
    ) external {
        uint256[] memory serials = new uint256[](5);
        LongCrl memory list = _unsigned(ISSUED_AT, ENDS_AT);
        list.endings = new bytes[](2);
        (list.endings[0], list.endings[1]) = (bytes.concat(_utcTime(ISSUED_AT), REASON), _utcTime(ISSUED_AT - 1 days));
        (bytes memory der, bytes memory entries) = ("", "");
        for (uint256 i = 0; i < 5; ++i) {
            serials[i] = uint256(numbers[i]) >> (shifts[i] % 160);
            if (serials[i] == 0) serials[i] = i + 1;
            uint256 ending = (withoutReason >> i) & 1;
            der = bytes.concat(der, _element(0x30, bytes.concat(_integer(serials[i]), list.endings[ending])));
            entries = abi.encodePacked(entries, uint160(serials[i]), uint16(ending));
        }
        list.parts = _addParts(entries);
        _addPages(list.parts, serials);
        (Crl memory found, Crl memory expected) =
            (longCrls.read(list), _reader.read(_certificate(_tbsOf(list, der), 1)));
        vm.assertEq(found.digest, expected.digest);
        vm.assertEq(found.issuer, expected.issuer);
        vm.assertEq(found.thisUpdate, expected.thisUpdate);
        vm.assertEq(found.nextUpdate, expected.nextUpdate);
        // one page from zero on; the reader keeps repeated numbers, which no authority issues
        vm.assertEq(found.serials.length, 40);
        bytes memory page = address(uint160(uint256(bytes32(_slice(found.serials, 8, 40))))).code;
        vm.assertEq(_slice(page, 1, page.length), _packed(_ascending(serials)));
    }

    function test_M15_read__recorded__has_intels_digest() external {
        bytes memory der = _bytes(RECORDED, "pckCrl");
        Crl memory expected = _reader.read(der);
        // 57 entries of 53 or 54 bytes, after the head and two dates; in that CRL all endings are the same
        uint256 list = 4 + 4 + 15 + _issuerOf(der).length + 30;
        LongCrl memory long = _unsigned(expected.thisUpdate, expected.nextUpdate);
        long.issuer = _issuerOf(der);
        uint256 position = list + 4;
        uint256 end = position + (uint256(uint8(der[list + 2])) << 8) + uint8(der[list + 3]);
        bytes memory entries = "";
        while (position < end) {
            uint256 size = uint8(der[position + 3]);
            bytes memory serial = _slice(der, position + 4 + size - 20, position + 4 + size);
            entries = abi.encodePacked(entries, serial, uint16(0));
            long.endings[0] = _slice(der, position + 4 + size, position + 2 + uint8(der[position + 1]));
            position += 2 + uint8(der[position + 1]);
        }
        long.extensions = _slice(der, end, end + 2 + uint8(der[end + 1]));
        long.parts = _addParts(entries);
        longCrls.addPage(long.parts, END);
        Crl memory found = longCrls.read(long);
        vm.assertEq(found.digest, expected.digest);
        vm.assertEq(found.issuer, expected.issuer);
    }

    /* FORM */

    function test_M15_read__another_form__reverts() external {
        LongCrl memory list = _longCrl(ISSUED_AT, ENDS_AT, _serials(7));
        longCrls.addPage(list.parts, END);
        longCrls.read(list);
        bytes memory date = list.thisUpdate;
        list.thisUpdate = bytes.concat(date, hex"00");
        _expectRefused(list, ILongCrls.CrlDateInvalid.selector);
        list.thisUpdate = _replaced(date, 0, hex"18");
        _expectRefused(list, Der.DerTagUnexpected.selector);
        (list.thisUpdate, list.nextUpdate) = (date, bytes.concat(date, date));
        _expectRefused(list, ILongCrls.CrlDateInvalid.selector);
        list.nextUpdate = date;
        list.extensions = _slice(list.extensions, 0, list.extensions.length - 1);
        _expectRefused(list, Der.DerTruncated.selector);
        list.extensions = bytes.concat(_crlExtensions(), hex"0500");
        _expectRefused(list, Der.DerBytesTrailing.selector);
    }

    function test_M15_read__endings_of_another_form__reverts() external {
        LongCrl memory list = _longCrl(ISSUED_AT, ENDS_AT, _serials(7));
        longCrls.addPage(list.parts, END);
        bytes memory date = _utcTime(ISSUED_AT);
        list.endings[0] = bytes.concat(date, _replaced(REASON, 13, hex"08"));
        _expectRefused(list, ICrlReader.RevocationReasonInvalid.selector);
        list.endings[0] = bytes.concat(date, REASON, hex"00");
        _expectRefused(list, Der.DerBytesTrailing.selector);
        list.endings[0] = "";
        _expectRefused(list, Der.DerTruncated.selector);
        list.endings[0] = _replaced(date, 4, "99");
        _expectRefused(list, CertificateTime.CertificateTimeInvalid.selector);
        // another entry within the ending
        list.endings[0] = bytes.concat(date, _element(0x30, bytes.concat(_integer(8), date)));
        _expectRefused(list, Der.DerValueUnexpected.selector);
        list.endings = new bytes[](0);
        _expectRefused(list, ILongCrls.CrlEntryInvalid.selector);
    }

    function test_M15_read__serial_number_of_zero__reverts() external {
        LongCrl memory list = _unsigned(ISSUED_AT, ENDS_AT);
        list.parts = _addParts(new bytes(22));
        longCrls.addPage(list.parts, END);
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlEntryInvalid.selector, list.parts[0]));
        longCrls.read(list);
    }

    function test_M15_read__a_page_is_missing__reverts() external {
        uint256[] memory serials = _many(MAX_PAGE + 1, 1);
        LongCrl memory list = _longCrl(ISSUED_AT, ENDS_AT, serials);
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPagesMissing.selector, 0));
        longCrls.read(list);
        uint256 end = _pageEnd(serials, 0);
        longCrls.addPage(list.parts, end);
        vm.assertEq(longCrls.sortedUntil(list.parts), end);
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPagesMissing.selector, end));
        longCrls.read(list);
        longCrls.addPage(list.parts, END);
        vm.assertEq(longCrls.read(list).serials.length, 80);
    }

    /* PARTS */

    function test_M15_addPart__empty_too_long_or_cut__reverts() external {
        uint256[4] memory lengths = [uint256(0), 21, 23, 22 * (MAX_PART + 1)];
        for (uint256 i = 0; i < lengths.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPartLengthInvalid.selector, lengths[i]));
            longCrls.addPart(new bytes(lengths[i]));
        }
    }

    function test_M15_addPart__again_by_a_stranger__is_the_same() external {
        bytes memory entries = _entries(_many(3, 1), 0);
        (address expected, bool isThere) = longCrls.findPart(entries);
        vm.assertFalse(isThere);
        vm.expectEmit(address(longCrls));
        emit ILongCrls.CrlPartAdded(expected);
        vm.prank(address(0xbad));
        vm.assertEq(longCrls.addPart(entries), expected);
        vm.assertEq(longCrls.addPart(entries), expected);
        (, isThere) = longCrls.findPart(entries);
        vm.assertTrue(isThere);
    }

    function test_M15_addPage__parts_that_are_none__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPartUnknown.selector, address(0)));
        longCrls.addPage(new address[](0), END);
        // its code looks like one, but it could be replaced
        address[] memory parts = new address[](1);
        parts[0] = address(0xbad);
        vm.etch(parts[0], bytes.concat(hex"00", _entries(_many(1, 1), 0)));
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPartUnknown.selector, parts[0]));
        longCrls.addPage(parts, END);
        // a page is no part
        parts = _addParts(_entries(_many(11, 1), 0));
        parts[0] = longCrls.addPage(parts, END);
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPartUnknown.selector, parts[0]));
        longCrls.sortedUntil(parts);
    }

    /* PAGES */

    function test_M15_addPage__a_stranger_sorts_too__cannot_get_in_the_way() external {
        uint256[] memory serials = _many(3000, 1);
        uint256[] memory sorted = _ascending(serials);
        LongCrl memory list = _longCrl(ISSUED_AT + 1, ENDS_AT, serials);
        vm.startPrank(address(0xbad));
        // pages without content, to have thousands of them
        _expectPageRefused(list.parts, 1, 0);
        _expectPageRefused(list.parts, sorted[613], 613);
        _expectPageRefused(list.parts, sorted[1229], 1229);
        _expectPageRefused(list.parts, END, 3000);
        longCrls.addPage(list.parts, sorted[614]);
        vm.stopPrank();
        uint256[3] memory wrong = [sorted[614], 0, END + 1];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPageEndInvalid.selector, sorted[614], wrong[i]));
            longCrls.addPage(list.parts, wrong[i]);
        }
        _addPages(list.parts, serials);
        dcap.updateLongPckCrl(list, authorityId);
    }

    function test_M15_addPage__all_are_sorted__reverts() external {
        address[] memory parts = _addParts(_entries(_many(3, 1), 0));
        longCrls.addPage(parts, END);
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPageEndInvalid.selector, END, END));
        longCrls.addPage(parts, END);
    }

    function test_M15_addPage__a_number_repeated_often__is_there_once() external {
        uint256[] memory serials = _many(2000, 1);
        for (uint256 i = 0; i < 1500; ++i) {
            serials[i] = 7;
        }
        address[] memory parts = _addParts(_entries(serials, 0));
        address page = longCrls.addPage(parts, END);
        vm.assertEq(_slice(page.code, 1, page.code.length), _packed(_ascending(serials)));
    }

    /* HELP */

    function _tbsOf(LongCrl memory list, bytes memory revoked) private pure returns (bytes memory) {
        return _element(
            0x30,
            bytes.concat(HEAD, list.issuer, list.thisUpdate, list.nextUpdate, _element(0x30, revoked), list.extensions)
        );
    }

    function _packed(uint256[] memory serials) private pure returns (bytes memory packed) {
        for (uint256 i = 0; i < serials.length; ++i) {
            packed = abi.encodePacked(packed, uint160(serials[i]));
        }
    }

    function _expectRefused(LongCrl memory list, bytes4 selector) private {
        cheats.expectPartialRevert(selector);
        longCrls.read(list);
    }

    function _expectPageRefused(address[] memory parts, uint256 end, uint256 count) private {
        vm.expectRevert(abi.encodeWithSelector(ILongCrls.CrlPageLengthInvalid.selector, count, MAX_PAGE));
        longCrls.addPage(parts, end);
    }
}
