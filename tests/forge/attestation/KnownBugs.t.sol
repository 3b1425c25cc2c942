// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../contracts/attestation/DcapVerifier.sol";
import {Der} from "../../../contracts/attestation/certificates/Der.sol";
import {PckCertificates} from "../../../contracts/attestation/certificates/PckCertificates.sol";
import {IDcapVerifier} from "../../../contracts/interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {CollateralFixture} from "./collateral/CollateralFixture.sol";

/// @dev What went wrong in other verifiers, according to their audits and histories, and shouldn't here. Covered
/// elsewhere, by tests whose names hold these words:
///
/// Automata, expired CRLs accepted: CollateralSelection pck_crl_has_ended, root_crl_has_ended;
///     CollateralRootCrl and CollateralPckCrl a_second_too_early_or_too_late
/// Automata, irrelevant CRLs accepted: CollateralPckCrl of_another_authority, of_the_root; CollateralRootCrl
///     of_an_authority; CollateralRevocation lists_that_name_others_certificates
/// Automata, root CRL bypassed: CollateralRevocation (all); CollateralPckCrl, CollateralTcbInfo and
///     CollateralQeIdentity no_root_crl
/// Automata, issuer looked for under the wrong serial number: CollateralRevocation its_authority_on_the_root_list,
///     lists_that_name_others_certificates
/// Automata, expired certificates accepted: DcapVerifier chain_ended; PckCertificates that_has_ended,
///     after_it_ended, after_its_authority_ended, after_the_root_has_ended; CollateralTcbInfo its_signer_has_ended
/// Automata, lengths unchecked: DcapVerifier another_length; Certificates, CrlReader and CollateralReader
///     cut_off_anywhere; CollateralTcbInfo signature_of_another_length
/// Automata, success for what is out of date, and flashtestations, status ignored: DcapShards out_of_date
/// flashtestations, stale collateral kills honest nodes: DcapShards stale_collateral; RecheckVerdicts
///     no_collateral__never_evicts
/// nitro-validator, oversized INTEGER wraps: Certificates serial_number_not_a_positive_one_of_20_bytes,
///     signature_integers_padded; CrlReader serial_numbers_that_are_none
/// nitro-validator, invalid dates normalised: Certificates, CollateralReader a_date_that_does_not_exist; CrlReader
///     dates_of_another_form, dates_of_entries
/// nitro-validator, BOOLEAN not canonical: Certificates a_boolean_not_canonical
/// nitro-validator, containers not consumed: Certificates more_after_the_extensions, more_in_a_wrapper,
///     followed_by_a_byte; CrlReader more_in_any_container; CollateralReader a_character_behind_it
/// nitro-validator, debug mode passes: DcapVerifier td_attributes_bit_by_bit, a_quoting_enclave_in_debug_mode
contract KnownBugsTest is CollateralFixture {
    uint256 private constant SHORT_END = 1_768_867_200; // 2026-01-20T00:00:00Z
    bytes private constant SHORT_DATE = "260120000000Z";
    bytes private constant AUTHORITY_KEY = hex"301f0603551d23041830168014";
    bytes private constant SUBJECT_KEY = hex"301d0603551d0e04160414";
    bytes private constant MODULE_SIGNER =
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

    /* CERTIFICATES */

    // Automata 5061d48: a `verified` flag survived a loop round, so that one good certificate was taken as proof of the
    // next.
    function test_addPckCertificate__right_after_a_good_one__is_checked_itself() external {
        PckCertificates fresh = new PckCertificates(_bytes(SIMULATED, "root"));
        fresh.addAuthority(_bytes(SIMULATED, "authority"));
        fresh.addPckCertificate(_bytes(FIRST, "leaf"), authorityId);
        bytes memory bad = _bytes(STRANGER, "first.leaf");
        vm.expectRevert(
            abi.encodeWithSelector(IPckCertificates.CertificateSignatureInvalid.selector, keccak256(_tbs(bad)))
        );
        fresh.addPckCertificate(bad, authorityId);
        // the second of two in one transaction is refused as well
        bytes memory badAuthority = _bytes(STRANGER, "authority");
        vm.expectRevert(
            abi.encodeWithSelector(
                IPckCertificates.CertificateSignatureInvalid.selector, keccak256(_tbs(badAuthority))
            )
        );
        fresh.addAuthority(badAuthority);
    }

    // Automata 5061d48: the signature was checked only where the key identifiers matched and weren't empty.
    function test_addPckCertificate__key_identifiers_other_or_none__signature_decides() external {
        bytes memory tbs = _tbs(_bytes(FIRST, "leaf"));
        bytes memory changed = _flipped(tbs, _find(tbs, AUTHORITY_KEY) + AUTHORITY_KEY.length);
        bytes memory subjectChanged = _flipped(tbs, _find(tbs, SUBJECT_KEY) + SUBJECT_KEY.length);
        _assertSignatureDecides(changed);
        _assertSignatureDecides(subjectChanged);
        uint256 subjectKey = _find(tbs, SUBJECT_KEY);
        bytes memory others = bytes.concat(
            _slice(tbs, _find(tbs, AUTHORITY_KEY) + 33, subjectKey), _slice(tbs, subjectKey + 31, tbs.length)
        );
        _assertSignatureDecides(_extended(tbs, others));
        // an identifier that is there and empty isn't even read
        others = bytes.concat(hex"300b0603551d23040430028000", others);
        bytes memory der = _certificate(_extended(tbs, others), uint256(_word(SIMULATED, "authorityKey")));
        cheats.expectPartialRevert(Der.DerValueUnexpected.selector);
        store.addPckCertificate(der, authorityId);
    }

    // nitro-validator (Cantina): a cached chain was asked for its parent's expiry alone.
    function test_verifyQuote__leaf_ends_before_its_authority__ends_with_the_leaf() external {
        bytes memory tbs = _tbs(_bytes(FIRST, "leaf"));
        tbs = _edited(tbs, "330112120000Z", SHORT_DATE);
        bytes32 pckId =
            store.addPckCertificate(_certificate(tbs, uint256(_word(SIMULATED, "authorityKey"))), authorityId);
        vm.assertTrue(pckId != firstPck);
        _assertEndsShortly(dcap, pckId);
    }

    // nitro-validator (Cantina): the same, the other way round.
    function test_verifyQuote__authority_ends_before_its_leaf__ends_with_the_authority() external {
        bytes memory tbs = _edited(_tbs(_bytes(SIMULATED, "authority")), "480521105010Z", SHORT_DATE);
        PckCertificates fresh = new PckCertificates(_bytes(SIMULATED, "root"));
        bytes32 shortId = fresh.addAuthority(_certificate(tbs, uint256(_word(SIMULATED, "rootKey"))));
        bytes32 signer = fresh.addCollateralSigner(_bytes(SIMULATED, "tcbSigning"));
        vm.assertEq(fresh.addPckCertificate(_bytes(FIRST, "leaf"), shortId), firstPck);
        DcapVerifier made = new DcapVerifier(fresh);
        made.updateRootCrl(_bytes(SIMULATED, "rootCrl"));
        made.updatePckCrl(_bytes(SIMULATED, "pckCrl"), shortId);
        made.updateTcbInfo(tcbInfo, _signed(tcbInfo), signer);
        made.updateQeIdentity(qeIdentity, _signed(qeIdentity), signer);
        _assertEndsShortly(made, firstPck);
    }

    // nitro-validator (Cantina): ASN.1 tags were skipped instead of checked.
    function test_addPckCertificate__any_tag_another__reverts() external {
        bytes memory tbs = _tbs(_bytes(FIRST, "leaf"));
        uint256 tags = _tryTags(tbs, 0, tbs.length);
        // 18 versions, 3 flags and 7 fields of three tags each; 5 extensions; two names; the remaining elements
        vm.assertGt(tags, 150);
    }

    /* TCB */

    // Automata, SGX path (still at the fetched HEAD): a revoked TCB was reported with success = true.
    function test_verifyQuote__revoked_platform_module_or_quoting_enclave__reverts() external {
        _assertRefused(_last(tcbInfo, "UpToDate", "Revoked"), qeIdentity, TcbStatus.REVOKED);
        _assertRefused(_first(tcbInfo, "UpToDate", "Revoked"), qeIdentity, TcbStatus.REVOKED);
        _assertRefused(tcbInfo, _first(qeIdentity, "UpToDate", "Revoked"), TcbStatus.REVOKED);
        // nothing good beside it outweighs it
        bytes memory identity = _first(qeIdentity, "UpToDate", "OutOfDate");
        _assertRefused(_last(tcbInfo, "UpToDate", "Revoked"), identity, TcbStatus.REVOKED);
    }

    // Automata: the TDX module check ignored attributesMask.
    function test_verifyQuote__module_attributes__count_under_their_mask() external {
        bytes memory open = _module("0000000000000001", "FFFFFFFFFFFFFFFE");
        _assertStatus(_verifierWith(open, qeIdentity), TcbStatus.UP_TO_DATE);
        _assertRefused(_module("0000000000000001", "FFFFFFFFFFFFFFFF"), qeIdentity, TcbStatus.NOT_SUPPORTED);
        _assertRefused(_module("8000000000000000", "8000000000000000"), qeIdentity, TcbStatus.NOT_SUPPORTED);
    }

    // Automata, for the quoting enclave: both masks count, each bit of them, and nothing outside them.
    function test_verifyQuote__quoting_enclaves_attributes_and_miscselect__count_under_their_masks() external {
        // bit 2 of the first octet (debug is bit 1), which Intel's mask leaves out: Intel's enclaves have it set
        vm.assertEq(uint8(firstCore[808]), 0x15);
        bytes memory cleared = _qeSignedAgain(_flipped(firstCore, 808), FIRST);
        dcap.verifyQuote(cleared, firstPck, _anyPolicy());
        DcapVerifier strict = _verifierWith(tcbInfo, _edited(qeIdentity, '"FBFFFF', '"FFFFFF'));
        strict.verifyQuote(cleared, firstPck, _anyPolicy());
        _assertNotIntels(strict, firstCore);
        // XFRM, the second half, by an identity that looks at it
        bytes memory xfrm = _qeSignedAgain(_flipped(firstCore, 816), FIRST);
        dcap.verifyQuote(xfrm, firstPck, _anyPolicy());
        bytes memory closed = _edited(qeIdentity, '"FBFFFFFFFFFFFFFF00', '"FBFFFFFFFFFFFFFFFF');
        closed = _replaced(closed, _find(closed, '"1100000000000000') + 17, _hex(firstCore[816]));
        strict = _verifierWith(tcbInfo, closed);
        strict.verifyQuote(firstCore, firstPck, _anyPolicy());
        _assertNotIntels(strict, xfrm);
        // MISCSELECT
        bytes memory misc = _qeSignedAgain(_flipped(firstCore, 776), FIRST);
        _assertNotIntels(dcap, misc);
        strict = _verifierWith(tcbInfo, _edited(qeIdentity, '"FFFFFFFF"', '"FBFFFFFF"'));
        strict.verifyQuote(misc, firstPck, _anyPolicy());
    }

    // Automata FmspcTcbHelper: 16 bytes of a module's mrsigner were lost when it was packed.
    function test_verifyQuote__any_digit_of_the_modules_signer_another__reverts() external {
        uint256 place = _find(tcbInfo, '"TDX_03","mrsigner":"') + 21;
        for (uint256 i = 0; i < MODULE_SIGNER.length; i += 5) {
            _assertRefused(_replaced(tcbInfo, place + i, "1"), qeIdentity, TcbStatus.NOT_SUPPORTED);
        }
        _assertRefused(_replaced(tcbInfo, place + 95, "1"), qeIdentity, TcbStatus.NOT_SUPPORTED);
    }

    // dcap-qvl, snapshot of June 2026: all 16 TDX components were compared, though the first two are the module's.
    function test_verifyQuote__the_modules_own_components__are_assessed_by_its_identity() external {
        bytes memory higher =
            _edited(tcbInfo, '"tdxtcbcomponents":[{"svn":0},{"svn":0}', '"tdxtcbcomponents":[{"svn":9},{"svn":9}');
        _assertStatus(_verifierWith(higher, qeIdentity), TcbStatus.UP_TO_DATE);
        higher = _edited(tcbInfo, '[{"svn":0},{"svn":0},{"svn":4}', '[{"svn":0},{"svn":0},{"svn":5}');
        _assertRefused(higher, qeIdentity, TcbStatus.NOT_SUPPORTED);
        higher = _edited(tcbInfo, '{"isvsvn":5}', '{"isvsvn":6}');
        _assertRefused(higher, qeIdentity, TcbStatus.NOT_SUPPORTED);
    }

    /* ENDIANNESS */

    // Automata (Trail of Bits): integers of the quote were read in one order here, in the other there.
    function test_verifyQuote__quoting_enclaves_numbers__are_little_endian() external {
        DcapVerifier of256 = _verifierWith(tcbInfo, _edited(qeIdentity, '"isvsvn":6', '"isvsvn":256'));
        of256.verifyQuote(_withQeNumbers(2, 256), firstPck, _anyPolicy());
        _assertNotIntels(of256, _withQeNumbers(2, 1)); // 256, read the other way round
        DcapVerifier ofProduct512 = _verifierWith(tcbInfo, _edited(qeIdentity, '"isvprodid":2', '"isvprodid":512'));
        ofProduct512.verifyQuote(_withQeNumbers(512, 6), firstPck, _anyPolicy());
        _assertNotIntels(ofProduct512, _withQeNumbers(2, 6));
    }

    // The same, for the module: TEE_TCB_SVN begins with its ISVSVN, and its version comes second.
    function test_verifyQuote__modules_numbers__are_not_swapped() external {
        vm.assertEq(_slice(firstCore, 48, 50), hex"0503");
        bytes memory swapped = _signedAgain(_replaced(firstCore, 48, hex"0305"), FIRST);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.TcbRefused.selector, TcbStatus.NOT_SUPPORTED));
        dcap.verifyQuote(swapped, firstPck, _anyPolicy());
        DcapVerifier ofFive =
            _verifierWith(_edited(_edited(tcbInfo, "TDX_03", "TDX_05"), '{"isvsvn":5}', '{"isvsvn":3}'), qeIdentity);
        ofFive.verifyQuote(swapped, firstPck, _anyPolicy());
    }

    /* HELP */

    /// @dev Stored if the authority signed it; refused for its signature alone if a stranger did.
    function _assertSignatureDecides(bytes memory tbs) private {
        bytes memory der = _certificate(tbs, uint256(_word(STRANGER, "authorityKey")));
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.CertificateSignatureInvalid.selector, keccak256(tbs)));
        store.addPckCertificate(der, authorityId);
        der = _certificate(tbs, uint256(_word(SIMULATED, "authorityKey")));
        vm.assertEq(store.addPckCertificate(der, authorityId), keccak256(tbs));
    }

    /// @dev With other extensions. [3] and SEQUENCE, both with two length bytes, stand before them.
    function _extended(bytes memory tbs, bytes memory extensions) private pure returns (bytes memory) {
        bytes memory fields = _slice(tbs, 4, _find(tbs, AUTHORITY_KEY) - 8);
        return _element(0x30, bytes.concat(fields, _element(0xa3, _element(0x30, extensions))));
    }

    function _assertEndsShortly(DcapVerifier verifier, bytes32 pckId) private {
        bytes32 qeAndEnd = verifier.verifyQuote(firstCore, pckId, _anyPolicy()).claims.qeAndEnd;
        vm.assertEq(uint40(uint256(qeAndEnd)), SHORT_END);
        vm.warp(SHORT_END);
        verifier.verifyQuote(firstCore, pckId, _anyPolicy());
        vm.warp(SHORT_END + 1);
        bytes memory core = firstCore;
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PckChainExpired.selector, pckId, SHORT_END));
        verifier.verifyQuote(core, pckId, _anyPolicy());
    }

    /// @dev Changes the tag of each element in [start, end), one after the other, signs, and sees it refused.
    function _tryTags(bytes memory tbs, uint256 start, uint256 end) private returns (uint256 count) {
        while (start < end) {
            uint8 tag = uint8(tbs[start]);
            (uint256 content, uint256 next) = _bounds(tbs, start);
            bytes memory changed = _replaced(tbs, start, abi.encodePacked(tag ^ 1));
            _assertFormRefused(_certificate(changed, uint256(_word(SIMULATED, "authorityKey"))));
            ++count;
            bool isExtension = tag == 0x04 && (tbs[content] == 0x30 || tbs[content] == 0x03);
            if (tag == 0x30 || tag == 0x31 || tag >= 0xa0 || isExtension) count += _tryTags(tbs, content, next);
            start = next;
        }
    }

    function _bounds(bytes memory der, uint256 start) private pure returns (uint256 content, uint256 next) {
        uint256 size = uint8(der[start + 1]);
        content = start + 2;
        if (size >= 0x80) {
            uint256 more = size - 0x80;
            size = uint256(bytes32(_slice(der, content, content + more))) >> (256 - 8 * more);
            content += more;
        }
        next = content + size;
    }

    function _assertFormRefused(bytes memory der) private {
        try store.addPckCertificate(der, authorityId) {
            revert("a tag was skipped");
        } catch (bytes memory reason) {
            vm.assertTrue(bytes4(reason) != IPckCertificates.CertificateSignatureInvalid.selector);
        }
    }

    function _assertStatus(DcapVerifier verifier, TcbStatus status) private view {
        VerifiedQuote memory verified = verifier.verifyQuote(firstCore, firstPck, _anyPolicy());
        vm.assertEq(uint256(verified.tcbStatus), uint256(status));
    }

    function _assertRefused(bytes memory info, bytes memory identity, TcbStatus status) private {
        DcapVerifier verifier = _verifierWith(info, identity);
        bytes memory core = firstCore;
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.TcbRefused.selector, status));
        verifier.verifyQuote(core, firstPck, _anyPolicy());
    }

    /// @dev Refused for its quoting enclave.
    function _assertNotIntels(DcapVerifier verifier, bytes memory core) private {
        cheats.expectPartialRevert(IDcapVerifier.QeIdentityUnknown.selector);
        verifier.verifyQuote(core, firstPck, _anyPolicy());
    }

    function _module(string memory attributes, string memory mask) private view returns (bytes memory) {
        bytes memory signer = bytes.concat('"TDX_03","mrsigner":"', MODULE_SIGNER, '","attributes":"');
        bytes memory own = bytes.concat(signer, '0000000000000000","attributesMask":"FFFFFFFFFFFFFFFF"');
        return _edited(tcbInfo, own, bytes.concat(signer, bytes(attributes), '","attributesMask":"', bytes(mask), '"'));
    }

    /// @dev The quote with these ISVPRODID and ISVSVN of the quoting enclave, little-endian.
    function _withQeNumbers(uint16 product, uint16 svn) private view returns (bytes memory) {
        bytes memory numbers = abi.encodePacked(uint8(product), uint8(product >> 8), uint8(svn), uint8(svn >> 8));
        return _qeSignedAgain(_replaced(firstCore, 1016, numbers), FIRST);
    }

    function _hex(bytes1 octet) private pure returns (bytes memory) {
        bytes16 digits = "0123456789ABCDEF";
        return bytes.concat(digits[uint8(octet >> 4)], digits[uint8(octet & 0x0f)]);
    }

    /// @dev With `to` at the first occurrence of `from`.
    function _first(bytes memory source, bytes memory from, bytes memory to) private pure returns (bytes memory) {
        uint256 place = 0;
        while (keccak256(_slice(source, place, place + from.length)) != keccak256(from)) ++place;
        return bytes.concat(_slice(source, 0, place), to, _slice(source, place + from.length, source.length));
    }

    /// @dev With `to` at the last occurrence of `from`.
    function _last(bytes memory source, bytes memory from, bytes memory to) private pure returns (bytes memory) {
        uint256 place = source.length - from.length;
        while (keccak256(_slice(source, place, place + from.length)) != keccak256(from)) --place;
        return bytes.concat(_slice(source, 0, place), to, _slice(source, place + from.length, source.length));
    }
}
