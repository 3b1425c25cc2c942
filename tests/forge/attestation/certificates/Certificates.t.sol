// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CertificateTime} from "../../../../contracts/attestation/certificates/CertificateTime.sol";
import {Der} from "../../../../contracts/attestation/certificates/Der.sol";
import {PckCertificates} from "../../../../contracts/attestation/certificates/PckCertificates.sol";
import {PckExtension} from "../../../../contracts/attestation/certificates/PckExtension.sol";
import {X509} from "../../../../contracts/attestation/certificates/X509.sol";
import {X509Extensions} from "../../../../contracts/attestation/certificates/X509Extensions.sol";
import {IPckCertificates} from "../../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {AttestationVectors} from "../AttestationVectors.sol";

/// @dev given a leaf which the stored authority has signed, in a form that isn't of the profile
///     when it is cut off, or followed or filled by more bytes
///         it should revert
///     when a length, integer, boolean or date isn't canonical
///         it should revert
///     when an algorithm, a key or a version is another
///         it should revert
///     when an extension is missing, repeated, unknown, or contradicts another
///         it should revert
///     when Intel's extension lacks a field, or has one of another length
///         it should revert
///     when only parts differ that nothing depends on
///         it should be stored
contract CertificatesTest is AttestationVectors {
    bytes private constant KEY_USAGE = hex"300e0603551d0f0101ff0404030206c0";
    bytes private constant NOT_AUTHORITY = hex"300c0603551d130101ff04023000";
    bytes private constant AUTHORITY = hex"300f0603551d130101ff040530030101ff";
    bytes private constant FIRST_VERSION = hex"3010060b2a864886f84d010d0102010201";
    bytes private constant PCE_VERSION = hex"3010060b2a864886f84d010d0102110201";

    PckCertificates private _store;
    bytes32 private _authorityId;
    uint256 private _authorityKey;
    bytes private _leaf;
    bytes private _leafTbs;
    // the tbsCertificate's content before the extensions, and the extensions
    bytes private _head;
    bytes private _extensions;

    function setUp() external {
        vm.warp(_number(SIMULATED, "at"));
        _store = new PckCertificates(_bytes(SIMULATED, "root"));
        _authorityId = _store.addAuthority(_bytes(SIMULATED, "authority"));
        _authorityKey = uint256(_word(SIMULATED, "authorityKey"));
        _leaf = _bytes(FIRST, "leaf");
        _leafTbs = _tbs(_leaf);
        // [3] and SEQUENCE, both with two length bytes, stand before the authority key identifier
        uint256 extensions = _find(_leafTbs, hex"301f0603551d23");
        _head = _slice(_leafTbs, 4, extensions - 8);
        _extensions = _slice(_leafTbs, extensions, _leafTbs.length);
    }

    /* BYTES */

    function test_addPckCertificate__taken_apart_and_put_together__stored() external {
        bytes memory tbs = _assembled(_head, _extensions);
        vm.assertEq(tbs, _leafTbs);
        _add(tbs);
    }

    function test_addPckCertificate__cut_off_anywhere__reverts() external {
        for (uint256 length = 0; length < _leaf.length; length += 7) {
            bytes memory der = _slice(_leaf, 0, length);
            cheats.expectRevert();
            _store.addPckCertificate(der, _authorityId);
        }
    }

    function testFuzz_addPckCertificate__any_byte_changed__reverts(uint256 offset, uint8 mask) external {
        vm.assume(mask != 0);
        bytes memory der = bytes.concat(_leaf);
        der[bounded(offset, 0, der.length - 1)] ^= bytes1(mask);
        cheats.expectRevert();
        _store.addPckCertificate(der, _authorityId);
    }

    function testFuzz_addPckCertificate__any_bytes__revert(bytes calldata der) external {
        cheats.expectRevert();
        _store.addPckCertificate(der, _authorityId);
    }

    function test_addPckCertificate__followed_by_a_byte__reverts() external {
        bytes memory der = bytes.concat(_leaf, hex"00");
        uint256 end = _leaf.length;
        vm.expectRevert(abi.encodeWithSelector(Der.DerBytesTrailing.selector, end, end + 1));
        _store.addPckCertificate(der, _authorityId);
    }

    function test_addPckCertificate__longer_than_4096_bytes__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(X509.CertificateTooLong.selector, 4097));
        _store.addPckCertificate(new bytes(4097), _authorityId);
    }

    function test_addPckCertificate__more_after_the_extensions__reverts() external {
        bytes memory extensions = _element(0xa3, _element(0x30, _extensions));
        bytes memory tbs = _element(0x30, bytes.concat(_head, extensions, hex"0500"));
        _expectRefused(tbs, Der.DerBytesTrailing.selector);
    }

    function test_addPckCertificate__more_in_a_wrapper__reverts() external {
        bytes memory wrapped = _element(0xa3, bytes.concat(_element(0x30, _extensions), hex"0500"));
        _expectRefused(_element(0x30, bytes.concat(_head, wrapped)), Der.DerBytesTrailing.selector);
    }

    function test_addPckCertificate__indefinite_length__reverts() external {
        bytes memory der = _replaced(_leaf, 1, hex"80");
        vm.expectRevert(abi.encodeWithSelector(Der.DerLengthInvalid.selector, 0));
        _store.addPckCertificate(der, _authorityId);
    }

    function test_addPckCertificate__length_longer_than_needed__reverts() external {
        // the algorithm's 10 bytes, announced by 81 0a
        uint256 algorithm = _find(_head, hex"300a06082a8648ce3d040302");
        bytes memory header = bytes.concat(
            _slice(_head, 0, algorithm), hex"30810a06082a8648ce3d040302", _slice(_head, algorithm + 12, _head.length)
        );
        _expectRefused(_assembled(header, _extensions), Der.DerValueUnexpected.selector);
        // the authority key identifier's 31 bytes, announced by 81 1f
        bytes memory extensions = bytes.concat(hex"30811f", _slice(_extensions, 2, _extensions.length));
        _expectRefused(_assembled(_head, extensions), Der.DerLengthInvalid.selector);
    }

    function test_addPckCertificate__signature_integers_padded__reverts() external {
        (bytes32 r, bytes32 s) = cheats.signP256(_authorityKey, sha256(_leafTbs));
        bytes memory padded = bytes.concat(_element(0x02, abi.encodePacked(uint16(0), r)), _integer(uint256(s)));
        bytes memory signature = _element(0x03, bytes.concat(hex"00", _element(0x30, padded)));
        bytes memory der = _element(0x30, bytes.concat(_leafTbs, hex"300a06082a8648ce3d040302", signature));
        cheats.expectPartialRevert(Der.DerIntegerInvalid.selector);
        _store.addPckCertificate(der, _authorityId);
    }

    /* FIXED FIELDS */

    function test_addPckCertificate__serial_number_not_a_positive_one_of_20_bytes__reverts() external {
        // empty, negative, padded, of 34 bytes
        bytes[4] memory serials =
            [bytes(hex"0200"), hex"020180", hex"02020001", bytes.concat(hex"0222", new bytes(33), hex"01")];
        for (uint256 i = 0; i < serials.length; ++i) {
            _expectRefused(_withSerial(serials[i]), Der.DerIntegerInvalid.selector);
        }
        _expectRefused(_withSerial(hex"020100"), X509.CertificateSerialInvalid.selector);
        _expectRefused(_withSerial(bytes.concat(hex"021501", new bytes(20))), X509.CertificateSerialInvalid.selector);
    }

    function test_addPckCertificate__another_version_algorithm_or_curve__reverts() external {
        _expectRefused(_replaced(_leafTbs, 8, hex"01"), Der.DerValueUnexpected.selector);
        uint256 algorithm = _find(_leafTbs, hex"06082a8648ce3d040302");
        _expectRefused(_replaced(_leafTbs, algorithm + 9, hex"03"), Der.DerValueUnexpected.selector);
        uint256 curve = _find(_leafTbs, hex"2a8648ce3d030107");
        _expectRefused(_replaced(_leafTbs, curve + 7, hex"06"), Der.DerValueUnexpected.selector);
    }

    function test_addPckCertificate__a_compressed_key__reverts() external {
        uint256 key = _find(_leafTbs, hex"03420004");
        _expectRefused(_replaced(_leafTbs, key + 3, hex"02"), Der.DerValueUnexpected.selector);
    }

    function test_addPckCertificate__another_algorithm_around_the_signature__reverts() external {
        bytes memory der = _replaced(_leaf, 4 + _leafTbs.length + 11, hex"03");
        cheats.expectPartialRevert(Der.DerValueUnexpected.selector);
        _store.addPckCertificate(der, _authorityId);
    }

    /* DATES */

    function test_addPckCertificate__a_date_that_does_not_exist__reverts() external {
        string[12] memory dates = [
            "261301000000Z",
            "260001000000Z",
            "260100000000Z",
            "260229000000Z",
            "260431000000Z",
            "260101240000Z",
            "260101006000Z",
            "260101000060Z",
            "26010100000:Z",
            "260101000000z",
            "2601010000/0Z",
            "690101000000Z"
        ];
        for (uint256 i = 0; i < dates.length; ++i) {
            _expectRefused(_withNotBefore(bytes(dates[i])), CertificateTime.CertificateTimeInvalid.selector);
        }
    }

    function test_addPckCertificate__a_leap_day__stored() external {
        _add(_withNotBefore("240229235959Z"));
    }

    function test_addPckCertificate__a_date_in_generalized_time__reverts() external {
        uint256 validity = _find(_head, hex"301e170d") + 2;
        bytes memory begin = _slice(_head, validity, validity + 15);
        bytes memory times = bytes.concat(begin, hex"180f", "20330113120000Z");
        bytes memory header = bytes.concat(
            _slice(_head, 0, validity - 2), _element(0x30, times), _slice(_head, validity + 30, _head.length)
        );
        _expectRefused(_assembled(header, _extensions), Der.DerTagUnexpected.selector);
    }

    /* EXTENSIONS */

    function test_addPckCertificate__unknown_extension__refused_critical_or_not() external {
        // extended key usage, name constraints, issuer's address; an OID that isn't one
        bytes[4] memory names = [bytes(hex"0603551d25"), hex"0603551d1e", hex"06082b06010505070101", hex"06022a80"];
        for (uint256 i = 0; i < names.length; ++i) {
            bytes memory harmless = _element(0x30, bytes.concat(names[i], hex"04023000"));
            bytes memory critical = _element(0x30, bytes.concat(names[i], hex"0101ff", hex"04023000"));
            bytes memory tbs = _assembled(_head, bytes.concat(_extensions, harmless));
            _expectRefused(tbs, X509Extensions.ExtensionUnknown.selector);
            tbs = _assembled(_head, bytes.concat(_extensions, critical));
            _expectRefused(tbs, X509Extensions.ExtensionUnknown.selector);
        }
    }

    function test_addPckCertificate__an_extension_twice__reverts() external {
        bytes memory extensions = bytes.concat(_extensions, NOT_AUTHORITY);
        _expectRefused(_assembled(_head, extensions), X509Extensions.ExtensionRepeated.selector);
        uint256 sgx = _find(_extensions, hex"06092a864886f84d010d01") - 4;
        extensions = bytes.concat(_extensions, _slice(_extensions, sgx, _extensions.length));
        _expectRefused(_assembled(_head, extensions), X509Extensions.ExtensionRepeated.selector);
    }

    function test_addPckCertificate__key_usage_or_basic_constraints_missing__reverts() external {
        _expectRefused(_with(KEY_USAGE, ""), X509Extensions.ExtensionMissing.selector);
        _expectRefused(_with(NOT_AUTHORITY, ""), X509Extensions.ExtensionMissing.selector);
    }

    function test_addPckCertificate__key_usage_that_contradicts__reverts() external {
        // keyCertSign in a leaf; a leaf that may not sign; an authority that may not sign certificates
        bytes memory signs = _with(KEY_USAGE, hex"300e0603551d0f0101ff040403020284");
        _expectRefused(signs, X509Extensions.KeyUsageInvalid.selector);
        bytes memory idle = _with(KEY_USAGE, hex"300e0603551d0f0101ff040403020640");
        _expectRefused(idle, X509Extensions.KeyUsageInvalid.selector);
        _expectRefused(_with(NOT_AUTHORITY, AUTHORITY), X509Extensions.KeyUsageInvalid.selector);
    }

    function test_addPckCertificate__key_usage_not_canonical__reverts() external {
        // a used bit among the unused ones; an unused bit counted as used; nine bits
        _expectRefused(_with(KEY_USAGE, hex"300e0603551d0f0101ff0404030207c0"), Der.DerValueUnexpected.selector);
        _expectRefused(_with(KEY_USAGE, hex"300e0603551d0f0101ff0404030205c0"), Der.DerValueUnexpected.selector);
        _expectRefused(_with(KEY_USAGE, hex"300f0603551d0f0101ff0405030307c080"), Der.DerValueUnexpected.selector);
    }

    function test_addPckCertificate__a_boolean_not_canonical__reverts() external {
        _expectRefused(_with(KEY_USAGE, hex"300e0603551d0f0101010404030206c0"), Der.DerValueUnexpected.selector);
        // the default written out
        _expectRefused(_with(KEY_USAGE, hex"300e0603551d0f0101000404030206c0"), Der.DerValueUnexpected.selector);
        bytes memory leaf = hex"300f0603551d130101ff04053003010100";
        _expectRefused(_with(NOT_AUTHORITY, leaf), Der.DerValueUnexpected.selector);
    }

    /* INTEL'S EXTENSION */

    function test_addPckCertificate__without_intels_extension__reverts() external {
        uint256 sgx = _find(_extensions, hex"06092a864886f84d010d01") - 4;
        bytes memory tbs = _assembled(_head, _slice(_extensions, 0, sgx));
        bytes memory der = _certificate(tbs, _authorityKey);
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.PlatformMissing.selector, keccak256(tbs)));
        _store.addPckCertificate(der, _authorityId);
    }

    function test_addPckCertificate__a_field_out_of_order__reverts() external {
        for (uint256 n = 1; n <= 7; ++n) {
            bytes memory oid = abi.encodePacked(hex"060a2a864886f84d010d01", uint8(n));
            uint256 found = _find(_leafTbs, oid);
            _expectRefused(_replaced(_leafTbs, found + 11, hex"08"), Der.DerValueUnexpected.selector);
        }
    }

    function test_addPckCertificate__a_component_out_of_order__reverts() external {
        uint256 first = _find(_leafTbs, FIRST_VERSION);
        _expectRefused(_replaced(_leafTbs, first + 14, hex"02"), Der.DerValueUnexpected.selector);
    }

    function test_addPckCertificate__a_negative_version__reverts() external {
        uint256 first = _find(_leafTbs, FIRST_VERSION);
        _expectRefused(_replaced(_leafTbs, first + 17, hex"80"), PckExtension.SecurityVersionInvalid.selector);
    }

    function test_addPckCertificate__versions_of_two_bytes__stored_in_their_range() external {
        bytes memory highest = hex"3011060b2a864886f84d010d010201020200ff";
        bytes32 id = _add(_withCpuSvn(_withVersion(FIRST_VERSION, highest), 0xff));
        vm.assertEq(uint8(bytes1(_store.pckCertificate(id).componentSvns)), 255);
        bytes memory pce = hex"3011060b2a864886f84d010d01021102027fff";
        id = _add(_withVersion(PCE_VERSION, pce));
        vm.assertEq(_store.pckCertificate(id).pceSvn, 0x7fff);

        // above 255, padded, negative
        bytes[3] memory wrong = [
            bytes(hex"3011060b2a864886f84d010d01020102020100"),
            hex"3011060b2a864886f84d010d0102010202007f",
            hex"3011060b2a864886f84d010d01020102028000"
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            bytes memory tbs = _withVersion(FIRST_VERSION, wrong[i]);
            _expectRefused(tbs, PckExtension.SecurityVersionInvalid.selector);
        }
    }

    function test_addPckCertificate__a_cpusvn_that_is_not_the_components__reverts() external {
        _expectRefused(_withCpuSvn(_leafTbs, 0), Der.DerValueUnexpected.selector);
        _expectRefused(_withCpuSvn(_leafTbs, 0xff), Der.DerValueUnexpected.selector);
    }

    function test_addPckCertificate__type_or_flags_out_of_range__reverts() external {
        uint256 kind = _find(_leafTbs, hex"060a2a864886f84d010d01050a01");
        _expectRefused(_replaced(_leafTbs, kind + 14, hex"03"), Der.DerValueUnexpected.selector);
        uint256 flag = _find(_leafTbs, hex"060b2a864886f84d010d0107020101");
        _expectRefused(_replaced(_leafTbs, flag + 15, hex"01"), Der.DerValueUnexpected.selector);
        bytes32 id = _add(_replaced(_leafTbs, flag + 15, hex"00"));
        vm.assertEq(_store.pckCertificate(id).configuration, 5);
    }

    /* MAKING */

    function _add(bytes memory tbs) private returns (bytes32 id) {
        id = _store.addPckCertificate(_certificate(tbs, _authorityKey), _authorityId);
        vm.assertEq(id, keccak256(tbs));
    }

    function _expectRefused(bytes memory tbs, bytes4 selector) private {
        bytes memory der = _certificate(tbs, _authorityKey);
        cheats.expectPartialRevert(selector);
        _store.addPckCertificate(der, _authorityId);
    }

    function _assembled(bytes memory header, bytes memory extensions) private pure returns (bytes memory) {
        return _element(0x30, bytes.concat(header, _element(0xa3, _element(0x30, extensions))));
    }

    /// @dev Another extension in the place of one.
    function _with(bytes memory old, bytes memory other) private view returns (bytes memory) {
        uint256 found = _find(_extensions, old);
        bytes memory tail = _slice(_extensions, found + old.length, _extensions.length);
        return _assembled(_head, bytes.concat(_slice(_extensions, 0, found), other, tail));
    }

    function _withSerial(bytes memory serial) private view returns (bytes memory) {
        uint256 algorithm = _find(_head, hex"300a06082a8648ce3d040302");
        bytes memory tail = _slice(_head, algorithm, _head.length);
        return _assembled(bytes.concat(_slice(_head, 0, 5), serial, tail), _extensions);
    }

    /// @dev The first UTCTime of 13 bytes, replaced by another of as many.
    function _withNotBefore(bytes memory date) private view returns (bytes memory) {
        uint256 validity = _find(_leafTbs, hex"301e170d");
        return _replaced(_leafTbs, validity + 4, date);
    }

    /// @dev Another first octet of the CPUSVN.
    function _withCpuSvn(bytes memory tbs, uint8 first) private pure returns (bytes memory) {
        return _replaced(tbs, _find(tbs, hex"060b2a864886f84d010d0102120410") + 15, abi.encodePacked(first));
    }

    /// @dev A version of two bytes in the place of one of one: Intel's extension and what encloses it grow.
    function _withVersion(bytes memory old, bytes memory other) private view returns (bytes memory) {
        uint256 sgx = _find(_extensions, hex"06092a864886f84d010d01") - 4;
        // content of the innermost SEQUENCE, behind: OID 11, OCTET STRING 4, SEQUENCE 4
        bytes memory fields = _slice(_extensions, sgx + 23, _extensions.length);
        uint256 versions = _find(fields, FIRST_VERSION);
        uint256 afterVersions = _find(fields, hex"3010060a2a864886f84d010d0103");
        bytes memory tcb = _slice(fields, versions, afterVersions);
        uint256 found = _find(tcb, old);
        tcb = bytes.concat(_slice(tcb, 0, found), other, _slice(tcb, found + 18, tcb.length));
        tcb = _element(0x30, bytes.concat(hex"060a2a864886f84d010d0102", _element(0x30, tcb)));
        fields = bytes.concat(_slice(fields, 0, 32), tcb, _slice(fields, afterVersions, fields.length));
        bytes memory extension = _element(0x04, _element(0x30, fields));
        extension = _element(0x30, bytes.concat(hex"06092a864886f84d010d01", extension));
        return _assembled(_head, bytes.concat(_slice(_extensions, 0, sgx), extension));
    }
}
