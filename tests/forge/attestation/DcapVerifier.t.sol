// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../contracts/attestation/DcapVerifier.sol";
import {IDcapVerifier} from "../../../contracts/attestation/IDcapVerifier.sol";
import {IPckCertificates} from "../../../contracts/attestation/IPckCertificates.sol";
import {PckCertificates} from "../../../contracts/attestation/PckCertificates.sol";
import {TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {AttestationVectors} from "./AttestationVectors.sol";

/// @dev given a quote of a machine whose PCK certificate is stored
///     when it is as the machine made it
///         it should return what teetee.quotes reads from it, with precompile and without
///     when the sign of a signature's s is turned
///         it should be accepted still
///     when any byte of it is changed
///         it should revert
///     when a field is changed and all is signed again
///         it should revert with that field's error
/// given another length, another machine's certificate, an unknown one, or a chain that has ended
///     it should revert
contract DcapVerifierTest is AttestationVectors {
    uint256 private constant CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    PckCertificates private _certificates;
    DcapVerifier private _verifier;
    bytes private _core;
    bytes32 private _pckId;

    function setUp() external {
        vm.warp(_number(SIMULATED, "at"));
        _certificates = new PckCertificates(_bytes(SIMULATED, "root"));
        _verifier = new DcapVerifier(_certificates);
        bytes32 authorityId = _certificates.addAuthority(_bytes(SIMULATED, "authority"));
        _pckId = _certificates.addPckCertificate(_bytes(FIRST, "leaf"), authorityId);
        _certificates.addPckCertificate(_bytes(SECOND, "leaf"), authorityId);
        _core = _bytes(FIRST, "core");
    }

    /* ACCEPTED */

    function test_verifyQuote__of_intels_machines__says_what_python_reads() external {
        PckCertificates certificates = _intelStore();
        DcapVerifier verifier = new DcapVerifier(certificates);
        string[4] memory recorded = [NEAR_MPC, PHALA, DSTACK, AUTOMATA];
        for (uint256 i = 0; i < recorded.length; ++i) {
            _checkVerdict(verifier.verifyQuote(_bytes(recorded[i], "core"), _word(recorded[i], "pckId")), recorded[i]);
        }
    }

    function test_verifyQuote__of_simulated_machines__says_what_python_reads() external view {
        _checkVerdict(_verifier.verifyQuote(_core, _pckId), FIRST);
        _checkVerdict(_verifier.verifyQuote(_bytes(SECOND, "core"), _word(SECOND, "pckId")), SECOND);
    }

    function test_verifyQuote__its_verdict__carries_what_a_policy_needs() external view {
        VerifiedQuote memory verified = _verifier.verifyQuote(_core, _pckId);
        vm.assertEq(uint256(verified.tcbStatus), uint256(TcbStatus.UNCHECKED));
        vm.assertEq(verified.validUntil, _certificates.pckCertificate(_pckId).expiresAt);
        vm.assertEq(bytes32(verified.teeTcbSvn), bytes32(hex"05030400000000000000000000000000"));
        vm.assertEq(bytes32(verified.tdAttributes), bytes32(hex"0000001000000000"));
        vm.assertEq(bytes32(verified.xfam), bytes32(hex"e702060000000000"));
    }

    function test_verifyQuote__without_the_precompile__the_same_verdict() external {
        vm.mockCall(address(0x100), "", "");
        DcapVerifier slow = new DcapVerifier(_certificates);
        VerifiedQuote memory verified = slow.verifyQuote(_core, _pckId);
        bytes memory changed = _flipped(_core, 190);
        vm.expectRevert(IDcapVerifier.QuoteSignatureInvalid.selector);
        slow.verifyQuote(changed, _pckId);
        vm.clearMockedCalls();
        VerifiedQuote memory expected = _verifier.verifyQuote(_core, _pckId);
        vm.assertEq(keccak256(abi.encode(verified)), keccak256(abi.encode(expected)));
    }

    function test_verifyQuote__signatures_turned__accepted() external view {
        bytes memory turned = _turned(_turned(_core, 632), 1144);
        VerifiedQuote memory verified = _verifier.verifyQuote(turned, _pckId);
        vm.assertEq(verified.measurement, _word(FIRST, "measurement"));
        vm.assertEq(verified.quoteHash, keccak256(turned));
    }

    /* CHANGED */

    function test_verifyQuote__every_byte_changed__reverts() external view {
        for (uint256 i = 0; i < _core.length; ++i) {
            bytes memory changed = _flipped(_core, i);
            try _verifier.verifyQuote(changed, _pckId) {
                revert("a changed byte was accepted");
            } catch {}
        }
    }

    function testFuzz_verifyQuote__any_change_to_the_signed_part__reverts(uint256 offset, bytes32 mask) external {
        offset = bounded(offset, 0, 600);
        vm.assume(mask != 0);
        bytes memory changed = bytes.concat(_core);
        for (uint256 i = 0; i < 32; ++i) {
            changed[offset + i] ^= mask[i];
        }
        cheats.expectRevert();
        _verifier.verifyQuote(changed, _pckId);
    }

    function test_verifyQuote__every_recorded_byte_of_the_signed_part_changed__reverts() external {
        DcapVerifier verifier = new DcapVerifier(_intelStore());
        bytes memory core = _bytes(NEAR_MPC, "core");
        bytes32 pckId = _word(NEAR_MPC, "pckId");
        for (uint256 i = 0; i < 632; ++i) {
            bytes memory changed = _flipped(core, i);
            try verifier.verifyQuote(changed, pckId) {
                revert("a changed byte was accepted");
            } catch {}
        }
    }

    /* WRONG AROUND THE QUOTE */

    function testFuzz_verifyQuote__another_length__reverts(uint256 length) external {
        length = bounded(length, 0, 4096);
        vm.assume(length != 1240);
        bytes memory core = new bytes(length);
        for (uint256 i = 0; i < length && i < _core.length; ++i) {
            core[i] = _core[i];
        }
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.QuoteLengthInvalid.selector, length));
        _verifier.verifyQuote(core, _pckId);
    }

    function test_verifyQuote__certificate_not_stored__reverts() external {
        bytes32 pckId = _word(NEAR_MPC, "pckId");
        bytes memory core = _bytes(NEAR_MPC, "core");
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.PckCertificateUnknown.selector, pckId));
        _verifier.verifyQuote(core, pckId);
    }

    function test_verifyQuote__with_another_machines_certificate__reverts() external {
        bytes32 pckId = _word(SECOND, "pckId");
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.QeReportSignatureInvalid.selector, pckId));
        _verifier.verifyQuote(_core, pckId);
    }

    function test_verifyQuote__of_a_stranger_root__reverts() external {
        bytes memory core = _bytes(STRANGER, "first.core");
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.QeReportSignatureInvalid.selector, _pckId));
        _verifier.verifyQuote(core, _pckId);
    }

    function test_verifyQuote__chain_ended__reverts() external {
        uint256 expiresAt = _certificates.pckCertificate(_pckId).expiresAt;
        vm.warp(expiresAt);
        _verifier.verifyQuote(_core, _pckId);
        vm.warp(expiresAt + 1);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PckChainExpired.selector, _pckId, expiresAt));
        _verifier.verifyQuote(_core, _pckId);
    }

    /* CHANGED AND SIGNED AGAIN */

    function test_verifyQuote__another_kind_of_quote__reverts() external {
        bytes8[4] memory kinds =
            [bytes8(hex"0500020081000000"), hex"0300020000000000", hex"0400030081000000", hex"0400020000000000"];
        for (uint256 i = 0; i < kinds.length; ++i) {
            bytes memory core = _resigned(_replaced(_core, 0, abi.encodePacked(kinds[i])), FIRST);
            vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.QuoteKindUnsupported.selector, kinds[i]));
            _verifier.verifyQuote(core, _pckId);
        }
    }

    function test_verifyQuote__another_vendors_quoting_enclave__reverts() external {
        bytes memory core = _resigned(_flipped(_core, 12), FIRST);
        cheats.expectPartialRevert(IDcapVerifier.QeVendorUnknown.selector);
        _verifier.verifyQuote(core, _pckId);
    }

    function test_verifyQuote__td_attributes_bit_by_bit__only_harmless_ones_pass() external {
        for (uint256 bit = 0; bit < 64; ++bit) {
            bytes memory core = bytes.concat(_core);
            core[168 + bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
            core = _resigned(core, FIRST);
            if (bit == 30 || bit == 31 || bit == 63) {
                _verifier.verifyQuote(core, _pckId);
            } else {
                bytes8 attributes = bytes8(bytes32(_slice(core, 168, 200)));
                vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.TdAttributesRefused.selector, attributes));
                _verifier.verifyQuote(core, _pckId);
            }
        }
    }

    function test_verifyQuote__recorded_quote_without_sept_ve_disable__reverts() external {
        DcapVerifier verifier = new DcapVerifier(_intelStore());
        bytes memory core = _bytes(GOOGLE, "core");
        bytes32 pckId = _word(GOOGLE, "pckId");
        vm.expectRevert(
            abi.encodeWithSelector(IDcapVerifier.TdAttributesRefused.selector, bytes8(hex"0000004000000000"))
        );
        verifier.verifyQuote(core, pckId);
    }

    function test_verifyQuote__another_tdx_module__reverts() external {
        for (uint256 i = 112; i < 168; ++i) {
            bytes memory core = _resigned(_flipped(_core, i), FIRST);
            vm.expectRevert(IDcapVerifier.TdxModuleRefused.selector);
            _verifier.verifyQuote(core, _pckId);
        }
    }

    function test_verifyQuote__a_td_with_an_owner__reverts() external {
        for (uint256 i = 280; i < 376; ++i) {
            bytes memory core = _resigned(_flipped(_core, i), FIRST);
            vm.expectRevert(IDcapVerifier.TdOwnerRefused.selector);
            _verifier.verifyQuote(core, _pckId);
        }
    }

    function test_verifyQuote__a_quoting_enclave_in_debug_mode__reverts() external {
        bytes memory core = bytes.concat(_core);
        core[808] |= 0x02;
        core = _qeResigned(core, FIRST);
        vm.expectRevert(IDcapVerifier.QeDebuggable.selector);
        _verifier.verifyQuote(core, _pckId);
    }

    function test_verifyQuote__another_enclave_with_the_machines_signature__reverts() external {
        uint256[4] memory places = [uint256(888), 919, 1016, 1017];
        for (uint256 i = 0; i < places.length; ++i) {
            bytes memory core = _qeResigned(_flipped(_core, places[i]), FIRST);
            cheats.expectPartialRevert(IDcapVerifier.QeIdentityUnknown.selector);
            _verifier.verifyQuote(core, _pckId);
        }
    }

    function test_verifyQuote__a_report_about_another_attestation_key__reverts() external {
        bytes32 expected = sha256(bytes.concat(_slice(_core, 696, 760), _slice(_core, 1208, 1240)));
        bytes memory core = _qeResigned(_replaced(_core, 1080, abi.encodePacked(~expected)), FIRST);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.AttestationKeyNotBound.selector, ~expected, expected));
        _verifier.verifyQuote(core, _pckId);
    }

    function test_verifyQuote__a_report_with_more_than_the_key_in_it__reverts() external {
        for (uint256 i = 1112; i < 1144; ++i) {
            bytes memory core = _qeResigned(_flipped(_core, i), FIRST);
            cheats.expectPartialRevert(IDcapVerifier.AttestationKeyNotBound.selector);
            _verifier.verifyQuote(core, _pckId);
        }
    }

    function test_verifyQuote__signed_by_another_machines_attestation_key__reverts() external {
        bytes memory core = _resigned(_core, SECOND);
        vm.expectRevert(IDcapVerifier.QuoteSignatureInvalid.selector);
        _verifier.verifyQuote(core, _pckId);
    }

    /* GAS */

    function test_verifyQuote__its_gas__below_110000() external {
        bytes memory core = _core;
        bytes32 pckId = _pckId;
        _verifier.verifyQuote(core, pckId);
        vm.assertLt(_transactionGas(abi.encodeCall(_verifier.verifyQuote, (core, pckId))), 110_000);
    }

    function _intelStore() private returns (PckCertificates certificates) {
        vm.warp(_number(NEAR_MPC, "at"));
        certificates = new PckCertificates(_bytes(INTEL, "root"));
        bytes32 authorityId = certificates.addAuthority(_bytes(INTEL, "authority"));
        string[5] memory recorded = [NEAR_MPC, PHALA, DSTACK, AUTOMATA, GOOGLE];
        for (uint256 i = 0; i < recorded.length; ++i) {
            certificates.addPckCertificate(_bytes(recorded[i], "leaf"), authorityId);
        }
    }

    function _checkVerdict(VerifiedQuote memory verified, string memory path) private view {
        vm.assertEq(verified.measurement, _word(path, "measurement"), path);
        vm.assertEq(verified.quoteHash, _word(path, "quoteHash"), path);
        vm.assertEq(verified.platformId, _word(path, "platformId"), path);
        vm.assertEq(abi.encodePacked(verified.reportDataLow, verified.reportDataHigh), _bytes(path, "reportData"));
    }

    function _flipped(bytes memory source, uint256 offset) private pure returns (bytes memory changed) {
        changed = bytes.concat(source);
        changed[offset] ^= 0x04;
    }

    /// @dev s becomes n - s.
    function _turned(bytes memory core, uint256 signature) private pure returns (bytes memory) {
        uint256 s = uint256(bytes32(_slice(core, signature + 32, signature + 64)));
        return _replaced(core, signature + 32, abi.encodePacked(CURVE_ORDER - s));
    }
}
