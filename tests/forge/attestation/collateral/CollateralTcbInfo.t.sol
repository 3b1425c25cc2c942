// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {CollateralJson} from "../../../../contracts/attestation/collateral/CollateralJson.sol";
import {CollateralItem, ICollateral} from "../../../../contracts/interfaces/attestation/ICollateral.sol";
import {IPckCertificates} from "../../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {CollateralFixture} from "./CollateralFixture.sol";

/// @dev given Intel's recorded TCB info and a root CRL
///     when it is in force, both dates included
///         it should be stored and published
///     when it is in force from the next second on, or expired in the last one
///         it should revert
///     when it is stored already, or any byte of it or of its signature is changed
///         it should revert
/// given TCB infos of the simulated signer
///     when one was issued before the stored one, or at the same time
///         it should revert
///     when it is for another platform or evaluation number
///         it should be stored beside it
///     when its signature has another length, or is another key's, or its signer is not stored or has expired
///         it should revert with that error
///     when it isn't in Intel's form
///         it should revert for the signature first, and for the form when it is signed
///     when there is no root CRL in force
///         it should revert
contract CollateralTcbInfoTest is CollateralFixture {
    uint256 private constant RECORDED_AT = 1_786_617_938; // 2026-08-13T10:45:38Z
    uint256 private constant RECORDED_ENDS_AT = 1_789_209_938; // 2026-09-12T10:45:38Z
    uint256 private constant SIGNER_ENDS_AT = 2_473_671_010; // 2048-05-21T10:50:10Z
    bytes6 private constant FMSPC = hex"b0c06f000000";

    DcapVerifier private _intel;
    bytes32 private _intelSigner;
    bytes private _recorded;
    bytes private _signature;

    function setUp() public override {
        super.setUp();
        (_intel,, _intelSigner) = _intelVerifier();
        _intel.updateRootCrl(_bytes(RECORDED, "rootCrl"));
        _recorded = _bytes(RECORDED, "tcbInfo");
        _signature = _bytes(RECORDED, "tcbInfoSignature");
    }

    /* RECORDED */

    function test_updateTcbInfo__recorded__is_kept_and_published() external {
        vm.assertEq(_intel.evaluationNumbers(FMSPC, 0), 0);
        vm.expectEmit(address(_intel));
        emit ICollateral.TcbInfoUpdated({
            fmspc: FMSPC,
            evaluationNumber: 20,
            signerId: _intelSigner,
            issuedAt: RECORDED_AT,
            nextUpdate: RECORDED_ENDS_AT,
            json: _recorded,
            signature: _signature
        });
        _update(_recorded);
        CollateralItem memory kept = _intel.tcbInfo(FMSPC, 0, 20);
        vm.assertEq(kept.issuedAt, RECORDED_AT);
        vm.assertEq(kept.nextUpdate, RECORDED_ENDS_AT);
        // head 5, modules 4 each with 2 for each of 2 and 4 levels, number of levels 2, levels 40 each
        vm.assertEq(kept.packed.length, 5 + 4 + 4 + 4 + 8 + 2 + 4 * 40);
        vm.assertEq(_intel.evaluationNumbers(FMSPC, 0), 1 << 20);
        vm.assertEq(_intel.tcbInfo(FMSPC, 0, 19).issuedAt, 0);
        vm.assertEq(_intel.tcbInfo(FMSPC, 0x0001, 20).issuedAt, 0);
    }

    function test_updateTcbInfo__first_and_last_second__is_kept() external {
        uint256 fork = vm.snapshotState();
        vm.warp(RECORDED_AT);
        _update(_recorded);
        vm.revertToState(fork);
        vm.warp(RECORDED_ENDS_AT);
        _update(_recorded);
        vm.assertEq(_intel.tcbInfo(FMSPC, 0, 20).issuedAt, RECORDED_AT);
    }

    function test_updateTcbInfo__a_second_too_early_or_too_late__reverts() external {
        bytes memory expected =
            abi.encodeWithSelector(ICollateral.CollateralNotInForce.selector, RECORDED_AT, RECORDED_ENDS_AT);
        vm.warp(RECORDED_AT - 1);
        vm.expectRevert(expected);
        _update(_recorded);
        vm.warp(RECORDED_ENDS_AT + 1);
        vm.expectRevert(expected);
        _update(_recorded);
    }

    function test_updateTcbInfo__a_second_time__reverts() external {
        _update(_recorded);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, RECORDED_AT, RECORDED_AT));
        _update(_recorded);
    }

    function testFuzz_updateTcbInfo__any_byte_changed__reverts(uint256 offset, uint8 mask) external {
        vm.assume(mask != 0);
        bytes memory changed = bytes.concat(_recorded);
        changed[bounded(offset, 0, changed.length - 1)] ^= bytes1(mask);
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        _update(changed);
    }

    function test_updateTcbInfo__any_byte_of_the_signature_changed__reverts() external {
        for (uint256 i = 0; i < 64; ++i) {
            bytes memory changed = _flipped(_signature, i);
            vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
            _intel.updateTcbInfo(_recorded, changed, _intelSigner);
        }
    }

    function test_updateTcbInfo__signed_for_another_text__reverts() external {
        bytes memory other = _bytes(RECORDED, "qeIdentitySignature");
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        _intel.updateTcbInfo(_recorded, other, _intelSigner);
    }

    /* ORDER */

    function test_updateTcbInfo__issued_before_the_kept_one__reverts() external {
        vm.warp(simulatedAt);
        bytes memory later = _issued(tcbInfo, "2026-01-14T12:00:01Z");
        bytes memory earlier = _issued(tcbInfo, "2026-01-14T11:59:59Z");
        dcap.updateTcbInfo(later, _signed(later), signerId);
        _assertRefused(
            tcbInfo, abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, ISSUED_AT)
        );
        _assertRefused(
            earlier, abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, ISSUED_AT - 1)
        );
        vm.assertEq(dcap.tcbInfo("SIMTDX", 0, 20).issuedAt, ISSUED_AT + 1);
    }

    function test_updateTcbInfo__issued_at_the_same_time_with_other_contents__reverts() external {
        vm.warp(simulatedAt);
        bytes memory other = _edited(tcbInfo, '"pcesvn":11', '"pcesvn":10');
        _assertRefused(other, abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT, ISSUED_AT));
    }

    function test_updateTcbInfo__of_another_platform_or_number__is_kept_beside_it() external {
        vm.warp(simulatedAt);
        bytes memory kept = abi.encode(dcap.tcbInfo("SIMTDX", 0, 20));
        bytes[3] memory others = [
            _edited(tcbInfo, '"53494D544458"', '"53494d544459"'),
            _edited(tcbInfo, '"pceId":"0000"', '"pceId":"0001"'),
            _ofNumber(tcbInfo, "21")
        ];
        for (uint256 i = 0; i < 3; ++i) {
            dcap.updateTcbInfo(others[i], _signed(others[i]), signerId);
        }
        vm.assertEq(abi.encode(dcap.tcbInfo("SIMTDX", 0, 20)), kept);
        vm.assertEq(dcap.tcbInfo("SIMTDY", 0, 20).issuedAt, ISSUED_AT);
        vm.assertEq(dcap.tcbInfo("SIMTDX", 0x0001, 20).issuedAt, ISSUED_AT);
        vm.assertEq(dcap.tcbInfo("SIMTDX", 0, 21).issuedAt, ISSUED_AT);
        vm.assertEq(dcap.evaluationNumbers("SIMTDX", 0), (1 << 20) | (1 << 21));
        vm.assertEq(dcap.evaluationNumbers("SIMTDY", 0), 1 << 20);
    }

    function test_updateTcbInfo__highest_evaluation_number__is_kept_and_no_higher_one() external {
        vm.warp(simulatedAt);
        bytes memory highest = _ofNumber(tcbInfo, "255");
        dcap.updateTcbInfo(highest, _signed(highest), signerId);
        vm.assertEq(dcap.evaluationNumbers("SIMTDX", 0), (1 << 20) | (1 << 255));
        _assertRefused(
            _ofNumber(tcbInfo, "256"), abi.encodeWithSelector(ICollateral.EvaluationNumberTooHigh.selector, 256)
        );
    }

    /* WHOSE */

    function test_updateTcbInfo__signature_of_another_length__reverts() external {
        for (uint256 length = 0; length <= 65; length += length == 0 ? 63 : 2) {
            bytes memory signature = _slice(bytes.concat(_signature, hex"00"), 0, length);
            vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralSignatureLengthInvalid.selector, length));
            _intel.updateTcbInfo(_recorded, signature, _intelSigner);
        }
    }

    function test_updateTcbInfo__signed_by_another_root_of_the_same_name__reverts() external {
        vm.warp(simulatedAt);
        bytes memory info = _issued(tcbInfo, "2026-01-14T12:00:01Z");
        (bytes32 r, bytes32 s) = cheats.signP256(uint256(_word(STRANGER, "tcbSigningKey")), sha256(info));
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        dcap.updateTcbInfo(info, abi.encodePacked(r, s), signerId);
    }

    function test_updateTcbInfo__signed_by_the_root_or_an_authority__reverts() external {
        vm.warp(simulatedAt);
        bytes memory info = _issued(tcbInfo, "2026-01-14T12:00:01Z");
        string[2] memory keys = ["rootKey", "authorityKey"];
        for (uint256 i = 0; i < 2; ++i) {
            (bytes32 r, bytes32 s) = cheats.signP256(uint256(_word(SIMULATED, keys[i])), sha256(info));
            vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
            dcap.updateTcbInfo(info, abi.encodePacked(r, s), signerId);
        }
    }

    function test_updateTcbInfo__in_the_name_of_another_certificate__reverts() external {
        vm.warp(simulatedAt);
        // of an authority and of a machine, both stored
        bytes32[2] memory ids = [authorityId, firstPck];
        bytes memory signature = _signed(tcbInfo);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IPckCertificates.CollateralSignerUnknown.selector, ids[i]));
            dcap.updateTcbInfo(tcbInfo, signature, ids[i]);
        }
    }

    function test_updateTcbInfo__its_signer_has_ended__reverts() external {
        vm.warp(SIGNER_ENDS_AT);
        dcap.updateRootCrl(_crl(true, SIGNER_ENDS_AT - 1, SIGNER_ENDS_AT + 1 days, _noSerials()));
        bytes memory info = _edited(tcbInfo, bytes(ISSUED), "2048-05-21T10:50:10Z");
        info = _edited(info, bytes(ENDS), "2048-06-21T10:50:10Z");
        uint256 fork = vm.snapshotState();
        vm.warp(SIGNER_ENDS_AT + 1);
        _assertRefused(info, abi.encodeWithSelector(ICollateral.CollateralIssuerExpired.selector, SIGNER_ENDS_AT));
        vm.revertToState(fork);
        dcap.updateTcbInfo(info, _signed(info), signerId); // its last second
        vm.assertEq(dcap.tcbInfo("SIMTDX", 0, 20).nextUpdate, SIGNER_ENDS_AT, "nothing outlives who signed it");
    }

    /* FORM */

    function test_updateTcbInfo__not_of_intels_form__is_refused_for_its_signature_first() external {
        vm.warp(simulatedAt);
        bytes memory garbage = '{"id":"TDX","version":3,"fmspc":""}';
        bytes memory signature = _signed(tcbInfo);
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        dcap.updateTcbInfo(garbage, signature, signerId);
        _assertRefused(garbage, abi.encodeWithSelector(CollateralJson.JsonUnexpected.selector, 12));
    }

    function test_updateTcbInfo__a_qe_identity__reverts() external {
        vm.warp(simulatedAt);
        _assertRefused(qeIdentity, abi.encodeWithSelector(CollateralJson.JsonUnexpected.selector, qeIdentity.length));
    }

    /* WITHOUT A ROOT CRL */

    function test_updateTcbInfo__no_root_crl__reverts() external {
        DcapVerifier empty = new DcapVerifier(_intel.certificates());
        vm.expectRevert(ICollateral.RootCrlMissing.selector);
        empty.updateTcbInfo(_recorded, _signature, _intelSigner);
    }

    function test_updateTcbInfo__root_crl_has_ended__reverts() external {
        bytes memory info = _edited(tcbInfo, bytes(ENDS), "2028-01-01T00:00:00Z");
        info = _issued(info, "2026-12-31T00:00:00Z");
        vm.warp(ROOT_CRL_ENDS_AT);
        _assertRefused(info, abi.encodeWithSelector(ICollateral.RootCrlMissing.selector));
        vm.warp(ROOT_CRL_ENDS_AT - 1);
        dcap.updateTcbInfo(info, _signed(info), signerId);
    }

    /* HELP */

    function _update(bytes memory json) private {
        _intel.updateTcbInfo(json, _signature, _intelSigner);
    }

    function _assertRefused(bytes memory info, bytes memory expected) private {
        bytes memory signature = _signed(info);
        vm.expectRevert(expected);
        dcap.updateTcbInfo(info, signature, signerId);
    }
}
