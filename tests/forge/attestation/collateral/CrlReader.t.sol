// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CertificateTime} from "../../../../contracts/attestation/certificates/CertificateTime.sol";
import {Der} from "../../../../contracts/attestation/certificates/Der.sol";
import {CrlReader} from "../../../../contracts/attestation/collateral/CrlReader.sol";
import {Crl, ICrlReader} from "../../../../contracts/interfaces/attestation/ICrlReader.sol";
import {AttestationVectors} from "../AttestationVectors.sol";

/// @dev given a revocation list of Intel's profile
///     when it is a recorded one
///         it should be read, with all its numbers in ascending order
///     when it is cut off, or followed or filled by more bytes
///         it should revert
///     when a tag, length, integer, date or reason isn't of the profile
///         it should revert with that error
///     when a list has no entries, or they have no reasons
///         it should be read
///     when version, algorithm or extensions are others
///         it should revert with that error
contract CrlReaderTest is AttestationVectors {
    bytes private constant TIMES = hex"170d3236303131343132303030305a170d3236303231333132303030305a";
    bytes private constant DATE = hex"170d3236303131343132303030305a";
    bytes private constant HEAD = hex"020101300a06082a8648ce3d040302";
    bytes private constant NUMBER = hex"300a0603551d140403020101";
    bytes private constant REASON = hex"300c300a0603551d1504030a0101";

    CrlReader private _reader;
    bytes private _name;
    bytes private _key;

    function setUp() external {
        _reader = new CrlReader();
        _name = hex"300d310b3009060355040613025553";
        _key = bytes.concat(hex"301f0603551d23041830168014", new bytes(20));
    }

    /* RECORDED */

    function test_read__recorded__has_issuer_dates_and_serial_numbers() external view {
        bytes memory der = vm.readFileBinary("tests/vectors/attestation/collateral/tdx_b0c06f_2026-08/pck_crl.der");
        Crl memory crl = _reader.read(der);
        vm.assertEq(crl.digest, sha256(_tbs(der)));
        vm.assertEq(crl.thisUpdate, 1_786_579_031);
        vm.assertEq(crl.nextUpdate, 1_789_171_031);
        vm.assertEq(crl.serials.length, 57 * 20);
        for (uint256 i = 20; i < crl.serials.length; i += 20) {
            vm.assertLt(uint160(_serialAt(crl.serials, i - 20)), uint160(_serialAt(crl.serials, i)));
        }
        for (uint256 i = 0; i < crl.serials.length; i += 20) {
            _find(der, _slice(crl.serials, i, i + 20)); // each stands there
        }
    }

    function test_read__recorded_of_all_years__read() external view {
        string[4] memory sets =
            ["tdx_50806f_2023-06", "tdx_00806f050000_2025-06", "tdx_90c06f_2026-02", "sgx_00a067110000_2025-06"];
        uint256[4] memory counts = [uint256(44), 44, 57, 0];
        for (uint256 i = 0; i < sets.length; ++i) {
            string memory folder = string.concat("tests/vectors/attestation/collateral/", sets[i]);
            Crl memory root = _reader.read(vm.readFileBinary(string.concat(folder, "/root_ca_crl.der")));
            vm.assertEq(root.serials, "");
            Crl memory pck = _reader.read(vm.readFileBinary(string.concat(folder, "/pck_crl.der")));
            vm.assertEq(pck.serials.length, 20 * counts[i]);
        }
    }

    /* BYTES */

    function test_read__simulated__read() external view {
        Crl memory crl = _reader.read(_with(_list(_entry(_integer(7)))));
        vm.assertEq(crl.issuer, keccak256(_name));
        vm.assertEq(crl.thisUpdate, 1_768_392_000);
        vm.assertEq(crl.nextUpdate, 1_770_984_000);
        vm.assertEq(crl.serials, abi.encodePacked(uint160(7)));
        vm.assertTrue(crl.r == 1 && crl.s == 2);
    }

    function test_read__cut_off_anywhere__reverts() external {
        bytes memory der = _with(_list(_entry(_integer(7))));
        for (uint256 length = 0; length < der.length; ++length) {
            cheats.expectRevert();
            _reader.read(_slice(der, 0, length));
        }
    }

    function test_read__followed_by_a_byte__reverts() external {
        bytes memory der = _with("");
        vm.expectRevert(abi.encodeWithSelector(Der.DerBytesTrailing.selector, der.length, der.length + 1));
        _reader.read(bytes.concat(der, hex"00"));
    }

    function test_read__more_in_any_container__reverts() external {
        bytes memory nothing = hex"0500";
        bytes memory extensions = bytes.concat(NUMBER, _key);
        bytes4 trailing = Der.DerBytesTrailing.selector;
        bytes memory fields = _fields("");
        _expectRefused(_around(bytes.concat(fields, nothing)), trailing);
        _expectRefused(
            _with(_list(_element(0x30, bytes.concat(_integer(7), DATE, REASON, nothing)))),
            Der.DerBytesTrailing.selector
        );
        _expectRefused(_extended(_element(0xa0, bytes.concat(_element(0x30, extensions), nothing))), trailing);
        _expectRefused(_extended(_element(0xa0, _element(0x30, bytes.concat(extensions, nothing)))), trailing);
        bytes memory longer = hex"300c0603551d1404030201010500";
        _expectRefused(_extended(_element(0xa0, _element(0x30, bytes.concat(longer, _key)))), trailing);
        bytes memory pair = bytes.concat(_integer(1), _integer(2), nothing);
        bytes memory signature = _element(0x03, bytes.concat(hex"00", _element(0x30, pair)));
        _expectRefused(_signedBy(signature), trailing);
        _expectRefused(_signedBy(bytes.concat(_element(0x03, hex"003006020101020102"), nothing)), trailing);
    }

    function test_read__longer_than_65535_bytes__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ICrlReader.CrlTooLong.selector, 65_536));
        _reader.read(new bytes(65_536));
    }

    /* ENTRIES */

    function test_read__serial_numbers_that_are_none__reverts() external {
        // zero, and of 161 bits
        _expectRefused(_with(_list(_entry(hex"020100"))), ICrlReader.RevokedSerialInvalid.selector);
        bytes memory long = bytes.concat(hex"021501", new bytes(20));
        _expectRefused(_with(_list(_entry(long))), ICrlReader.RevokedSerialInvalid.selector);
        // empty, negative, padded, of 34 bytes, which as a number of 32 would be 1
        bytes[4] memory wrong =
            [bytes(hex"0200"), hex"020180", hex"02020001", bytes.concat(hex"022201", new bytes(32), hex"01")];
        for (uint256 i = 0; i < wrong.length; ++i) {
            _expectRefused(_with(_list(_entry(wrong[i]))), Der.DerIntegerInvalid.selector);
        }
        Crl memory crl = _reader.read(_with(_list(_entry(_integer(type(uint160).max)))));
        vm.assertEq(crl.serials, abi.encodePacked(type(uint160).max));
    }

    function testFuzz_read__any_serial_numbers__in_ascending_order(uint160[5] calldata serials) external view {
        bytes memory entries = "";
        for (uint256 i = 0; i < 5; ++i) {
            entries = bytes.concat(entries, _entry(_integer(serials[i] == 0 ? 1 : serials[i])));
        }
        Crl memory crl = _reader.read(_with(_list(entries)));
        vm.assertEq(crl.serials.length, 100);
        uint160 last = 0;
        uint256 sum = 0;
        uint256 expected = 0;
        for (uint256 i = 0; i < 5; ++i) {
            uint160 found = uint160(_serialAt(crl.serials, 20 * i));
            vm.assertTrue(found >= last);
            last = found;
            sum += found;
            expected += serials[i] == 0 ? 1 : serials[i];
        }
        vm.assertEq(sum, expected);
    }

    function test_read__dates_of_entries__must_be_dates_each() external {
        bytes memory other = hex"170d3236303131353132303030305a";
        bytes memory first = _element(0x30, bytes.concat(_integer(7), DATE));
        bytes memory second = _element(0x30, bytes.concat(_integer(8), other));
        vm.assertEq(_reader.read(_with(_list(bytes.concat(first, second, first)))).serials.length, 60);
        bytes memory none = _element(0x30, bytes.concat(_integer(8), hex"170d3236303232393132303030305a"));
        _expectRefused(_with(_list(bytes.concat(first, none))), CertificateTime.CertificateTimeInvalid.selector);
        // the same date again, but cut off by the entry's end
        bytes memory short = _element(0x30, bytes.concat(_integer(8), _slice(DATE, 0, 14)));
        bytes memory der = _with(_list(bytes.concat(first, short)));
        cheats.expectRevert();
        _reader.read(der);
        bytes memory dateless = _element(0x30, _integer(8));
        der = _with(_list(bytes.concat(first, dateless)));
        cheats.expectRevert();
        _reader.read(der);
    }

    function test_read__reasons__those_of_full_lists_alone() external {
        for (uint8 reason = 0; reason < 13; ++reason) {
            bytes memory given = _replaced(REASON, 13, abi.encodePacked(reason));
            bytes memory der = _with(_list(_element(0x30, bytes.concat(_integer(7), DATE, given))));
            if (reason > 10 || reason == 7 || reason == 8) {
                _expectRefused(der, ICrlReader.RevocationReasonInvalid.selector);
            } else {
                vm.assertEq(_reader.read(der).serials.length, 20);
            }
        }
    }

    function test_read__another_extension_of_an_entry__reverts() external {
        // 2.5.29.24, invalidity date, in the place of the reason
        bytes memory other = _replaced(REASON, 8, hex"18");
        _expectRefused(
            _with(_list(_element(0x30, bytes.concat(_integer(7), DATE, other)))), Der.DerValueUnexpected.selector
        );
    }

    function test_read__no_entries__list_is_omitted() external {
        vm.assertEq(_reader.read(_with("")).serials, "");
        _expectRefused(_with(hex"3000"), Der.DerValueUnexpected.selector);
    }

    /* FIXED FIELDS */

    function test_read__another_version_or_algorithm__reverts() external {
        bytes memory fields = _fields("");
        bytes4 unexpected = Der.DerValueUnexpected.selector;
        _expectRefused(_around(_replaced(fields, 2, hex"00")), unexpected);
        _expectRefused(_around(_slice(fields, 3, fields.length)), unexpected);
        _expectRefused(_around(_replaced(fields, 14, hex"03")), unexpected);
        bytes memory der = _with("");
        _expectRefused(_replaced(der, der.length - 12, hex"03"), unexpected);
    }

    function test_read__dates_of_another_form__reverts() external {
        bytes memory fields = _fields("");
        uint256 times = _find(fields, TIMES);
        _expectRefused(_around(_replaced(fields, times, hex"18")), Der.DerTagUnexpected.selector);
        _expectRefused(_around(_replaced(fields, times + 15, hex"18")), Der.DerTagUnexpected.selector);
        bytes memory feb30 = hex"170d3236303233303132303030305a";
        _expectRefused(_around(_replaced(fields, times + 15, feb30)), CertificateTime.CertificateTimeInvalid.selector);
        // without a next update it would be in force forever
        bytes memory endless = bytes.concat(_slice(fields, 0, times + 15), _slice(fields, times + 30, fields.length));
        _expectRefused(_around(endless), Der.DerTagUnexpected.selector);
    }

    function test_read__other_extensions__reverts() external {
        bytes4 unexpected = Der.DerValueUnexpected.selector;
        _expectRefused(_extended(""), Der.DerTruncated.selector);
        _expectRefused(_extended(_element(0xa0, _element(0x30, NUMBER))), Der.DerTruncated.selector);
        _expectRefused(_extended(_element(0xa0, _element(0x30, _key))), unexpected);
        _expectRefused(_extended(_element(0xa0, _element(0x30, bytes.concat(_key, NUMBER)))), unexpected);
        // a delta list (2.5.29.27) lists only what changed
        bytes memory delta = hex"300a0603551d1b0403020101";
        _expectRefused(_extended(_element(0xa0, _element(0x30, bytes.concat(delta, _key)))), unexpected);
        bytes memory all = bytes.concat(NUMBER, _key, delta);
        _expectRefused(_extended(_element(0xa0, _element(0x30, all))), Der.DerBytesTrailing.selector);
        _expectRefused(
            _extended(_element(0xa1, _element(0x30, bytes.concat(NUMBER, _key)))), Der.DerTagUnexpected.selector
        );
    }

    /* MAKING */

    function _entry(bytes memory serial) private pure returns (bytes memory) {
        return _element(0x30, bytes.concat(serial, DATE, REASON));
    }

    function _list(bytes memory entries) private pure returns (bytes memory) {
        return _element(0x30, entries);
    }

    /// @dev What tbsCertList holds.
    function _fields(bytes memory list) private view returns (bytes memory) {
        return _fieldsWith(list, _element(0xa0, _element(0x30, bytes.concat(NUMBER, _key))));
    }

    function _fieldsWith(bytes memory list, bytes memory extensions) private view returns (bytes memory) {
        return bytes.concat(HEAD, _name, TIMES, list, extensions);
    }

    function _with(bytes memory list) private view returns (bytes memory) {
        return _around(_fields(list));
    }

    function _extended(bytes memory extensions) private view returns (bytes memory) {
        return _around(_fieldsWith("", extensions));
    }

    /// @dev Signed with r = 1 and s = 2: the reader doesn't look.
    function _around(bytes memory fields) private pure returns (bytes memory) {
        bytes memory pair = _element(0x30, bytes.concat(_integer(1), _integer(2)));
        bytes memory signature = _element(0x03, bytes.concat(hex"00", pair));
        bytes memory algorithm = hex"300a06082a8648ce3d040302";
        return _element(0x30, bytes.concat(_element(0x30, fields), algorithm, signature));
    }

    function _signedBy(bytes memory signature) private view returns (bytes memory) {
        bytes memory algorithm = hex"300a06082a8648ce3d040302";
        return _element(0x30, bytes.concat(_element(0x30, _fields("")), algorithm, signature));
    }

    function _serialAt(bytes memory serials, uint256 offset) private pure returns (bytes20) {
        return bytes20(_slice(serials, offset, offset + 20));
    }

    function _expectRefused(bytes memory der, bytes4 selector) private {
        cheats.expectPartialRevert(selector);
        _reader.read(der);
    }
}
