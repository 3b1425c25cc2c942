// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../contracts/attestation/DcapVerifier.sol";
import {PckCertificates} from "../../../contracts/attestation/certificates/PckCertificates.sol";
import {TdxQuote} from "../../../contracts/attestation/quote/TdxQuote.sol";
import {IDcapVerifier} from "../../../contracts/interfaces/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {CollateralFixture} from "./collateral/CollateralFixture.sol";

/// @dev given a quote of a machine whose PCK certificate is stored
///     when it is as the machine issued it
///         it should return what teetee.quotes reads from it, with precompile and without
///     when a signature's s is negated
///         it should still be accepted
///     when any byte of it is changed
///         it should revert
///     when a field is changed and all is signed again
///         it should revert with that field's error
/// given another length, another machine's certificate, an unknown one, or an expired chain
///     it should revert
contract DcapVerifierTest is CollateralFixture {
    uint256 private constant CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    /* ACCEPTED */

    function test_verifyQuote__of_intels_machines__says_what_python_reads() external {
        _checkVerdict(_intelVerdict(NEAR_MPC, ".intel.collateral.tdx_b0c06f_2026-08"), NEAR_MPC);
        _checkVerdict(_intelVerdict(PHALA, ".intel.collateral.tdx_b0c06f_2025-06"), PHALA);
    }

    function test_verifyQuote__of_simulated_machines__says_what_python_reads() external view {
        _checkVerdict(dcap.verifyQuote(firstCore, firstPck, _anyPolicy()), FIRST);
        _checkVerdict(dcap.verifyQuote(_bytes(SECOND, "core"), _word(SECOND, "pckId"), _anyPolicy()), SECOND);
    }

    function test_verifyQuote__its_verdict__carries_what_a_policy_needs() external view {
        VerifiedQuote memory verified = dcap.verifyQuote(firstCore, firstPck, _anyPolicy());
        vm.assertEq(uint256(verified.tcbStatus), uint256(TcbStatus.UP_TO_DATE));
        vm.assertEq(verified.evaluationNumber, 20);
        vm.assertEq(verified.tcbDate, 1768348800); // 2026-01-14
        vm.assertEq(verified.validUntil, 1770983999); // the PCK CRL ends before 2026-02-13T12:00:00Z
        vm.assertEq(uint40(uint256(verified.claims.qeAndEnd)), store.pckCertificate(firstPck).expiresAt);
        vm.assertEq(bytes32(bytes6(verified.claims.pck << 160)), bytes32("SIMTDX"));
        vm.assertEq(verified.claims.svns << 128, bytes32(hex"05030400000000000000000000000000"));
        vm.assertEq(verified.claims.td << 128, bytes32(hex"0000001000000000e702060000000000"));
    }

    function test_verifyQuote__without_the_precompile__the_same_verdict() external {
        vm.mockCall(address(0x100), "", "");
        DcapVerifier slow = new DcapVerifier(store);
        _upload(slow, SIMULATED, SIMULATED);
        VerifiedQuote memory verified = slow.verifyQuote(firstCore, firstPck, _anyPolicy());
        bytes memory changed = _flipped(firstCore, 190);
        vm.expectRevert(IDcapVerifier.QuoteSignatureInvalid.selector);
        slow.verifyQuote(changed, firstPck, _anyPolicy());
        vm.clearMockedCalls();
        VerifiedQuote memory expected = dcap.verifyQuote(firstCore, firstPck, _anyPolicy());
        vm.assertEq(keccak256(abi.encode(verified)), keccak256(abi.encode(expected)));
    }

    function test_verifyQuote__signatures_turned__accepted() external view {
        bytes memory turned = _withNegatedS(_withNegatedS(firstCore, 632), 1144);
        VerifiedQuote memory verified = dcap.verifyQuote(turned, firstPck, _anyPolicy());
        vm.assertEq(verified.claims.measurement, _word(FIRST, "measurement"));
        vm.assertTrue(
            keccak256(abi.encode(verified.claims)) != _word(FIRST, "quoteHash"),
            "a signature isn't a name, but the bytes are"
        );
    }

    /* CHANGED */

    function test_verifyQuote__every_byte_changed__reverts() external view {
        for (uint256 i = 0; i < firstCore.length; ++i) {
            bytes memory changed = _flipped(firstCore, i);
            try dcap.verifyQuote(changed, firstPck, _anyPolicy()) {
                revert("a changed byte was accepted");
            } catch {}
        }
    }

    function testFuzz_verifyQuote__any_change_to_the_signed_part__reverts(uint256 offset, bytes32 mask) external {
        offset = bounded(offset, 0, 600);
        vm.assume(mask != 0);
        bytes memory changed = bytes.concat(firstCore);
        for (uint256 i = 0; i < 32; ++i) {
            changed[offset + i] ^= mask[i];
        }
        cheats.expectRevert();
        dcap.verifyQuote(changed, firstPck, _anyPolicy());
    }

    function test_verifyQuote__every_recorded_byte_of_the_signed_part_changed__reverts() external {
        DcapVerifier verifier = _intelVerifier(NEAR_MPC, ".intel.collateral.tdx_b0c06f_2026-08");
        bytes memory core = _bytes(NEAR_MPC, "core");
        bytes32 pckId = _word(NEAR_MPC, "pckId");
        for (uint256 i = 0; i < 632; ++i) {
            bytes memory changed = _flipped(core, i);
            try verifier.verifyQuote(changed, pckId, _anyPolicy()) {
                revert("a changed byte was accepted");
            } catch {}
        }
    }

    /* WRONG AROUND THE QUOTE */

    function testFuzz_verifyQuote__another_length__reverts(uint256 length) external {
        length = bounded(length, 0, 4096);
        vm.assume(length != 1240);
        bytes memory core = new bytes(length);
        for (uint256 i = 0; i < length && i < firstCore.length; ++i) {
            core[i] = firstCore[i];
        }
        vm.expectRevert(abi.encodeWithSelector(TdxQuote.QuoteLengthInvalid.selector, length));
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }

    function test_verifyQuote__certificate_not_stored__reverts() external {
        bytes32 pckId = _word(NEAR_MPC, "pckId");
        bytes memory core = _bytes(NEAR_MPC, "core");
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.PckCertificateUnknown.selector, pckId));
        dcap.verifyQuote(core, pckId, _anyPolicy());
    }

    function test_verifyQuote__with_another_machines_certificate__reverts() external {
        bytes32 pckId = _word(SECOND, "pckId");
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.QeReportSignatureInvalid.selector, pckId));
        dcap.verifyQuote(firstCore, pckId, _anyPolicy());
    }

    function test_verifyQuote__of_a_stranger_root__reverts() external {
        bytes memory core = _bytes(STRANGER, "first.core");
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.QeReportSignatureInvalid.selector, firstPck));
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }

    function test_verifyQuote__chain_ended__reverts() external {
        uint256 expiresAt = store.pckCertificate(firstPck).expiresAt;
        vm.warp(expiresAt);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.CollateralMissing.selector, bytes6("SIMTDX"), 0));
        dcap.verifyQuote(firstCore, firstPck, _anyPolicy());
        vm.warp(expiresAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PckChainExpired.selector, firstPck, expiresAt));
        dcap.verifyQuote(firstCore, firstPck, _anyPolicy());
    }

    /* CHANGED AND SIGNED AGAIN */

    function test_verifyQuote__another_kind_of_quote__reverts() external {
        bytes8[4] memory kinds =
            [bytes8(hex"0600020081000000"), hex"0300020000000000", hex"0400030081000000", hex"0400020000000000"];
        for (uint256 i = 0; i < kinds.length; ++i) {
            bytes memory core = _signedAgain(_replaced(firstCore, 0, abi.encodePacked(kinds[i])), FIRST);
            vm.expectRevert(abi.encodeWithSelector(TdxQuote.QuoteKindUnsupported.selector, kinds[i]));
            dcap.verifyQuote(core, firstPck, _anyPolicy());
        }
    }

    function test_verifyQuote__another_vendors_quoting_enclave__reverts() external {
        bytes memory core = _signedAgain(_flipped(firstCore, 12), FIRST);
        cheats.expectPartialRevert(IDcapVerifier.QeVendorUnknown.selector);
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }

    function test_verifyQuote__td_attributes_bit_by_bit__only_harmless_ones_pass() external {
        for (uint256 bit = 0; bit < 64; ++bit) {
            bytes memory core = bytes.concat(firstCore);
            core[168 + bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
            core = _signedAgain(core, FIRST);
            if (bit == 16 || bit == 27 || bit == 30 || bit == 31 || bit == 63) {
                dcap.verifyQuote(core, firstPck, _anyPolicy());
            } else {
                bytes8 attributes = bytes8(bytes32(_slice(core, 168, 200)));
                vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.TdAttributesRefused.selector, attributes));
                dcap.verifyQuote(core, firstPck, _anyPolicy());
            }
        }
    }

    function test_verifyQuote__recorded_quote_without_sept_ve_disable__reverts() external {
        DcapVerifier verifier = _intelVerifier(GOOGLE, "");
        bytes memory core = _bytes(GOOGLE, "core");
        bytes32 pckId = _word(GOOGLE, "pckId");
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.TdAttributesRefused.selector, bytes8(hex"0000004000000000"))
        );
        verifier.verifyQuote(core, pckId, _anyPolicy());
    }

    function test_verifyQuote__another_tdx_module__reverts() external {
        for (uint256 i = 112; i < 168; ++i) {
            bytes memory core = _signedAgain(_flipped(firstCore, i), FIRST);
            vm.expectRevert(IDcapVerifier.TdxModuleRefused.selector);
            dcap.verifyQuote(core, firstPck, _anyPolicy());
        }
    }

    function test_verifyQuote__a_td_with_an_owner__reverts() external {
        for (uint256 i = 280; i < 376; ++i) {
            bytes memory core = _signedAgain(_flipped(firstCore, i), FIRST);
            vm.expectRevert(IDcapVerifier.TdOwnerRefused.selector);
            dcap.verifyQuote(core, firstPck, _anyPolicy());
        }
    }

    function test_verifyQuote__a_quoting_enclave_in_debug_mode__reverts() external {
        bytes memory core = bytes.concat(firstCore);
        core[808] |= 0x02;
        core = _qeSignedAgain(core, FIRST);
        vm.expectRevert(IDcapVerifier.QeDebuggable.selector);
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }

    function test_verifyQuote__another_enclave_with_the_machines_signature__reverts() external {
        uint256[4] memory places = [uint256(888), 919, 1016, 1017];
        for (uint256 i = 0; i < places.length; ++i) {
            bytes memory core = _qeSignedAgain(_flipped(firstCore, places[i]), FIRST);
            cheats.expectPartialRevert(IDcapVerifier.QeIdentityUnknown.selector);
            dcap.verifyQuote(core, firstPck, _anyPolicy());
        }
    }

    function test_verifyQuote__a_report_about_another_attestation_key__reverts() external {
        bytes32 expected = sha256(bytes.concat(_slice(firstCore, 696, 760), _slice(firstCore, 1208, 1240)));
        bytes memory core = _qeSignedAgain(_replaced(firstCore, 1080, abi.encodePacked(~expected)), FIRST);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.AttestationKeyNotBound.selector, ~expected, expected));
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }

    function test_verifyQuote__a_report_with_more_than_the_key_in_it__reverts() external {
        for (uint256 i = 1112; i < 1144; ++i) {
            bytes memory core = _qeSignedAgain(_flipped(firstCore, i), FIRST);
            cheats.expectPartialRevert(IDcapVerifier.AttestationKeyNotBound.selector);
            dcap.verifyQuote(core, firstPck, _anyPolicy());
        }
    }

    function test_verifyQuote__signed_by_another_machines_attestation_key__reverts() external {
        bytes memory core = _signedAgain(firstCore, SECOND);
        vm.expectRevert(IDcapVerifier.QuoteSignatureInvalid.selector);
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }

    /* GAS */

    function test_verifyQuote__its_gas__below_125000() external view {
        bytes memory core = firstCore;
        bytes32 pckId = firstPck;
        dcap.verifyQuote(core, pckId, _anyPolicy());
        vm.assertLt(_transactionGas(abi.encodeCall(dcap.verifyQuote, (core, pckId, _anyPolicy()))), 125_000);
    }

    /// @dev At the quote's time; without collateral where the set has no name.
    function _intelVerifier(string memory quote, string memory set) private returns (DcapVerifier verifier) {
        vm.warp(_number(quote, "at"));
        PckCertificates certificates = new PckCertificates(_bytes(INTEL, "root"));
        certificates.addPckCertificate(_bytes(quote, "leaf"), certificates.addAuthority(_bytes(INTEL, "authority")));
        verifier = new DcapVerifier(certificates);
        if (bytes(set).length != 0) _upload(verifier, INTEL, set);
    }

    function _intelVerdict(string memory quote, string memory set) private returns (VerifiedQuote memory) {
        DcapVerifier verifier = _intelVerifier(quote, set);
        return verifier.verifyQuote(_bytes(quote, "core"), _word(quote, "pckId"), _anyPolicy());
    }

    function _checkVerdict(VerifiedQuote memory verified, string memory path) private view {
        vm.assertEq(verified.claims.measurement, _word(path, "measurement"), path);
        vm.assertEq(keccak256(abi.encode(verified.claims)), _word(path, "quoteHash"), path);
        vm.assertEq(verified.claims.platformId, _word(path, "platformId"), path);
        vm.assertEq(abi.encodePacked(verified.reportDataLow, verified.reportDataHigh), _bytes(path, "reportData"));
    }

    /// @dev s becomes n - s.
    function _withNegatedS(bytes memory core, uint256 signature) private pure returns (bytes memory) {
        uint256 s = uint256(bytes32(_slice(core, signature + 32, signature + 64)));
        return _replaced(core, signature + 32, abi.encodePacked(CURVE_ORDER - s));
    }
}
