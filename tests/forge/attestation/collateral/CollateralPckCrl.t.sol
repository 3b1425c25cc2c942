// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {CollateralItem, ICollateral} from "../../../../contracts/interfaces/attestation/ICollateral.sol";
import {IPckCertificates} from "../../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {CollateralFixture} from "./CollateralFixture.sol";

/// @dev given Intel's recorded CRL of its platform authority, and its root CRL
///     when it is in force
///         it should be stored and published, usable until the first of both expires
///     when it is in force from the next second on, or expires in this one
///         it should revert
///     when it is stored already, or any byte of it is changed
///         it should revert
/// given no root CRL, or an expired one
///     it should revert
/// given CRLs of the simulated authority
///     when one was issued before the stored one, or at the same time
///         it should revert
///     when its authority isn't stored, is another one, or has expired, or another key signed it
///         it should revert with that error
contract CollateralPckCrlTest is CollateralFixture {
    uint256 private constant RECORDED_AT = 1_786_579_031; // 2026-08-12T23:57:11Z
    uint256 private constant RECORDED_ENDS_AT = 1_789_171_031; // 2026-09-11T23:57:11Z
    uint256 private constant AUTHORITY_ENDS_AT = 2_473_671_010; // 2048-05-21T10:50:10Z

    DcapVerifier private _intel;
    bytes32 private _intelAuthority;
    bytes private _recorded;

    function setUp() public override {
        super.setUp();
        (_intel, _intelAuthority,) = _intelVerifier();
        _intel.updateRootCrl(_bytes(RECORDED, "rootCrl"));
        _recorded = _bytes(RECORDED, "pckCrl");
    }

    /* RECORDED */

    function test_updatePckCrl__recorded__is_kept_and_published() external {
        (, uint256 none,) = _intel.pckCrl(_intelAuthority);
        vm.assertEq(none, 0);
        vm.expectEmit(address(_intel));
        emit ICollateral.PckCrlUpdated(_intelAuthority, RECORDED_AT, RECORDED_ENDS_AT, _recorded);
        _intel.updatePckCrl(_recorded, _intelAuthority);
        (CollateralItem memory kept, uint256 usableUntil, bool isRevoked) = _intel.pckCrl(_intelAuthority);
        vm.assertEq(kept.issuedAt, RECORDED_AT);
        vm.assertEq(kept.nextUpdate, RECORDED_ENDS_AT);
        vm.assertEq(usableUntil, RECORDED_ENDS_AT);
        vm.assertFalse(isRevoked);
        vm.assertEq(kept.packed.length, 57 * 20);
        for (uint256 i = 20; i < kept.packed.length; i += 20) {
            vm.assertLt(_serialAt(kept.packed, i - 20), _serialAt(kept.packed, i));
        }
    }

    function test_updatePckCrl__first_and_last_second__is_kept() external {
        uint256 fork = vm.snapshotState();
        vm.warp(RECORDED_AT);
        _intel.updatePckCrl(_recorded, _intelAuthority);
        vm.revertToState(fork);
        vm.warp(RECORDED_ENDS_AT - 1);
        _intel.updatePckCrl(_recorded, _intelAuthority);
        (, uint256 usableUntil,) = _intel.pckCrl(_intelAuthority);
        vm.assertEq(usableUntil, RECORDED_ENDS_AT);
    }

    function test_updatePckCrl__a_second_too_early_or_too_late__reverts() external {
        bytes memory expected =
            abi.encodeWithSelector(ICollateral.CollateralNotInForce.selector, RECORDED_AT, RECORDED_ENDS_AT);
        vm.warp(RECORDED_AT - 1);
        vm.expectRevert(expected);
        _intel.updatePckCrl(_recorded, _intelAuthority);
        vm.warp(RECORDED_ENDS_AT);
        vm.expectRevert(expected);
        _intel.updatePckCrl(_recorded, _intelAuthority);
    }

    function test_updatePckCrl__a_second_time__reverts() external {
        _intel.updatePckCrl(_recorded, _intelAuthority);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, RECORDED_AT, RECORDED_AT));
        _intel.updatePckCrl(_recorded, _intelAuthority);
    }

    function test_updatePckCrl__a_revoked_number_changed__reverts() external {
        (CollateralItem memory kept,,) = _storedOf(_recorded);
        // the last number of the list, wherever it stands in it
        bytes memory serial = _slice(kept.packed, kept.packed.length - 20, kept.packed.length);
        bytes memory changed = _flipped(_recorded, _find(_recorded, serial) + 19);
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        _intel.updatePckCrl(changed, _intelAuthority);
    }

    function testFuzz_updatePckCrl__any_byte_changed__reverts(uint256 offset, uint8 mask) external {
        vm.assume(mask != 0);
        bytes memory changed = bytes.concat(_recorded);
        changed[bounded(offset, 0, changed.length - 1)] ^= bytes1(mask);
        cheats.expectRevert();
        _intel.updatePckCrl(changed, _intelAuthority);
    }

    /* WITHOUT A ROOT CRL */

    function test_updatePckCrl__no_root_crl__reverts() external {
        DcapVerifier empty = new DcapVerifier(_intel.certificates());
        vm.expectRevert(ICollateral.RootCrlMissing.selector);
        empty.updatePckCrl(_recorded, _intelAuthority);
    }

    function test_updatePckCrl__root_crl_has_ended__reverts() external {
        bytes memory crl = _crl(false, ROOT_CRL_ENDS_AT - 2, ROOT_CRL_ENDS_AT + 1 days, _noSerials());
        vm.warp(ROOT_CRL_ENDS_AT);
        vm.expectRevert(ICollateral.RootCrlMissing.selector);
        dcap.updatePckCrl(crl, authorityId);
        vm.warp(ROOT_CRL_ENDS_AT - 1);
        dcap.updatePckCrl(crl, authorityId);
        (CollateralItem memory kept, uint256 usableUntil,) = dcap.pckCrl(authorityId);
        vm.assertEq(kept.nextUpdate, ROOT_CRL_ENDS_AT + 1 days);
        vm.assertEq(usableUntil, ROOT_CRL_ENDS_AT, "the root CRL ends first");
    }

    /* ORDER */

    function test_updatePckCrl__issued_before_the_kept_one__reverts() external {
        vm.warp(simulatedAt);
        // it would revoke a revocation
        dcap.updatePckCrl(_crl(false, ISSUED_AT + 1, ENDS_AT, _serials(7)), authorityId);
        for (uint256 issuedAt = ISSUED_AT; issuedAt <= ISSUED_AT + 1; ++issuedAt) {
            bytes memory other = _crl(false, issuedAt, ENDS_AT + 1 days, _noSerials());
            vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, issuedAt));
            dcap.updatePckCrl(other, authorityId);
        }
        dcap.updatePckCrl(_crl(false, ISSUED_AT + 2, ENDS_AT - 1, _noSerials()), authorityId);
        (CollateralItem memory kept,,) = dcap.pckCrl(authorityId);
        vm.assertEq(kept.issuedAt, ISSUED_AT + 2);
        vm.assertEq(kept.packed, "");
    }

    /* WHOSE */

    function test_updatePckCrl__authority_not_stored__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IPckCertificates.AuthorityUnknown.selector, bytes32("?")));
        _intel.updatePckCrl(_recorded, "?");
    }

    function test_updatePckCrl__of_another_authority__reverts() external {
        bytes memory processor = _bytes(INTEL, "processorAuthority");
        bytes32 processorId = _intel.certificates().addAuthority(processor);
        bytes32 expected = _intel.certificates().authority(processorId).subject;
        vm.expectRevert(
            abi.encodeWithSelector(ICollateral.CrlIssuerMismatch.selector, keccak256(_issuerOf(_recorded)), expected)
        );
        _intel.updatePckCrl(_recorded, processorId);
    }

    function test_updatePckCrl__of_the_root__reverts() external {
        bytes memory root = _bytes(RECORDED, "rootCrl");
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateral.CrlIssuerMismatch.selector, keccak256(_issuerOf(root)), keccak256(_issuerOf(_recorded))
            )
        );
        _intel.updatePckCrl(root, _intelAuthority);
    }

    function test_updatePckCrl__by_another_key_of_the_same_name__reverts() external {
        vm.warp(simulatedAt);
        DcapVerifier empty = new DcapVerifier(store);
        empty.updateRootCrl(_bytes(SIMULATED, "rootCrl"));
        bytes memory other = _bytes(STRANGER, "pckCrl");
        vm.assertEq(_issuerOf(other), _issuerOf(_bytes(SIMULATED, "pckCrl")));
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        empty.updatePckCrl(other, authorityId);
    }

    function test_updatePckCrl__its_authority_has_ended__reverts() external {
        bytes memory crl = _crl(false, AUTHORITY_ENDS_AT - 1, AUTHORITY_ENDS_AT + 1 days, _noSerials());
        vm.warp(AUTHORITY_ENDS_AT);
        dcap.updateRootCrl(_crl(true, AUTHORITY_ENDS_AT - 1, AUTHORITY_ENDS_AT + 1 days, _noSerials()));
        uint256 fork = vm.snapshotState();
        vm.warp(AUTHORITY_ENDS_AT + 1);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralIssuerExpired.selector, AUTHORITY_ENDS_AT));
        dcap.updatePckCrl(crl, authorityId);
        vm.revertToState(fork);
        dcap.updatePckCrl(crl, authorityId); // its last second
    }

    /* HELP */

    /// @dev What would be stored of that CRL.
    function _storedOf(bytes memory crl)
        private
        returns (CollateralItem memory kept, uint256 usableUntil, bool isRevoked)
    {
        uint256 fork = vm.snapshotState();
        _intel.updatePckCrl(crl, _intelAuthority);
        (kept, usableUntil, isRevoked) = _intel.pckCrl(_intelAuthority);
        vm.revertToState(fork);
    }

    function _serialAt(bytes memory packed, uint256 offset) private pure returns (uint256) {
        return uint160(bytes20(_slice(packed, offset, offset + 20)));
    }
}
