// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {CollateralItem, ICollateral} from "../../../../contracts/interfaces/attestation/ICollateral.sol";
import {CollateralFixture} from "./CollateralFixture.sol";

/// @dev given Intel's recorded root CRL
///     when it is in force
///         it should be stored and published
///     when it is in force from the next second on, or expires in this one
///         it should revert
///     when it is stored already, or any byte of it is changed
///         it should revert
/// given root CRLs of the simulated root
///     when one was issued before the stored one, or at the same time
///         it should revert, regardless of its content
///     when one was issued later
///         it should replace it
///     when it lists serial numbers
///         it should store them in ascending order
///     when it is another issuer's, another key's, or its root has expired
///         it should revert with that error
contract CollateralRootCrlTest is CollateralFixture {
    uint256 private constant RECORDED_AT = 1_772_111_040; // 2026-02-26T13:04:00Z
    uint256 private constant RECORDED_ENDS_AT = 1_803_647_040; // 2027-02-26T13:04:00Z
    uint256 private constant ROOT_ENDS_AT = 2_524_607_999; // 2049-12-31T23:59:59Z

    DcapVerifier private _intel;
    bytes private _recorded;

    function setUp() public override {
        super.setUp();
        (_intel,,) = _intelVerifier();
        _recorded = _bytes(RECORDED, "rootCrl");
    }

    /* RECORDED */

    function test_updateRootCrl__recorded__is_kept_and_published() external {
        vm.assertEq(_intel.rootCrl().issuedAt, 0);
        vm.expectEmit(address(_intel));
        emit ICollateral.RootCrlUpdated(RECORDED_AT, RECORDED_ENDS_AT, _recorded);
        _intel.updateRootCrl(_recorded);
        CollateralItem memory kept = _intel.rootCrl();
        vm.assertEq(kept.issuedAt, RECORDED_AT);
        vm.assertEq(kept.nextUpdate, RECORDED_ENDS_AT);
        vm.assertEq(kept.packed, "");
    }

    function test_updateRootCrl__first_and_last_second__is_kept() external {
        uint256 fork = vm.snapshotState();
        vm.warp(RECORDED_AT);
        _intel.updateRootCrl(_recorded);
        vm.revertToState(fork);
        vm.warp(RECORDED_ENDS_AT - 1);
        _intel.updateRootCrl(_recorded);
        vm.assertEq(_intel.rootCrl().issuedAt, RECORDED_AT);
    }

    function test_updateRootCrl__a_second_too_early_or_too_late__reverts() external {
        bytes memory expected =
            abi.encodeWithSelector(ICollateral.CollateralNotInForce.selector, RECORDED_AT, RECORDED_ENDS_AT);
        vm.warp(RECORDED_AT - 1);
        vm.expectRevert(expected);
        _intel.updateRootCrl(_recorded);
        vm.warp(RECORDED_ENDS_AT);
        vm.expectRevert(expected);
        _intel.updateRootCrl(_recorded);
    }

    function test_updateRootCrl__a_second_time__reverts() external {
        _intel.updateRootCrl(_recorded);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, RECORDED_AT, RECORDED_AT));
        _intel.updateRootCrl(_recorded);
    }

    function test_updateRootCrl__any_byte_changed__reverts() external {
        for (uint256 i = 0; i < _recorded.length; ++i) {
            bytes memory changed = _flipped(_recorded, i);
            try _intel.updateRootCrl(changed) {
                revert("a changed byte was accepted");
            } catch {}
        }
    }

    function test_updateRootCrl__the_key_identifier_changed__reverts() external {
        bytes memory changed = _flipped(_recorded, _find(_recorded, hex"0603551d23041830168014") + 11);
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        _intel.updateRootCrl(changed);
    }

    /* ORDER */

    function test_updateRootCrl__issued_before_the_kept_one__reverts() external {
        vm.warp(simulatedAt);
        // it would revoke a revocation
        dcap.updateRootCrl(_crl(true, ISSUED_AT + 1, ROOT_CRL_ENDS_AT, _serials(7)));
        bytes memory older = _crl(true, ISSUED_AT, ROOT_CRL_ENDS_AT + 1 days, _noSerials());
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, ISSUED_AT));
        dcap.updateRootCrl(older);
        bytes memory same = _crl(true, ISSUED_AT + 1, ROOT_CRL_ENDS_AT + 1 days, _noSerials());
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, ISSUED_AT + 1));
        dcap.updateRootCrl(same);
        vm.assertEq(dcap.rootCrl().packed, abi.encodePacked(uint160(7)));
    }

    function test_updateRootCrl__issued_later__takes_its_place() external {
        vm.warp(simulatedAt);
        dcap.updateRootCrl(_crl(true, ISSUED_AT + 1, ROOT_CRL_ENDS_AT - 1, _serials(7)));
        dcap.updateRootCrl(_crl(true, ISSUED_AT + 2, ROOT_CRL_ENDS_AT - 2, _noSerials()));
        CollateralItem memory kept = dcap.rootCrl();
        vm.assertEq(kept.issuedAt, ISSUED_AT + 2);
        vm.assertEq(kept.nextUpdate, ROOT_CRL_ENDS_AT - 2);
        vm.assertEq(kept.packed, "");
    }

    function test_updateRootCrl__several_numbers__keeps_them_in_order() external {
        vm.warp(simulatedAt);
        uint256[] memory serials = new uint256[](4);
        (serials[0], serials[1], serials[2], serials[3]) = (300, type(uint160).max, 2, 1 << 152);
        dcap.updateRootCrl(_crl(true, ISSUED_AT + 1, ROOT_CRL_ENDS_AT, serials));
        vm.assertEq(
            dcap.rootCrl().packed, abi.encodePacked(uint160(2), uint160(300), uint160(1 << 152), type(uint160).max)
        );
    }

    /* WHOSE */

    function test_updateRootCrl__of_an_authority__reverts() external {
        bytes memory other = _bytes(RECORDED, "pckCrl");
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateral.CrlIssuerMismatch.selector, keccak256(_issuerOf(other)), keccak256(_issuerOf(_recorded))
            )
        );
        _intel.updateRootCrl(other);
    }

    function test_updateRootCrl__of_another_root_of_the_same_name__reverts() external {
        vm.warp(simulatedAt);
        bytes memory other = _bytes(STRANGER, "rootCrl");
        vm.assertEq(_issuerOf(other), _issuerOf(_bytes(SIMULATED, "rootCrl")));
        vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
        dcap.updateRootCrl(other);
    }

    function test_updateRootCrl__its_root_has_ended__reverts() external {
        vm.warp(ROOT_ENDS_AT);
        bytes memory last = _crl(true, ROOT_ENDS_AT - 1, ROOT_ENDS_AT, _noSerials());
        vm.expectRevert( // the root still is in force, the list isn't any more
            abi.encodeWithSelector(ICollateral.CollateralNotInForce.selector, ROOT_ENDS_AT - 1, ROOT_ENDS_AT)
        );
        dcap.updateRootCrl(last);
        vm.warp(ROOT_ENDS_AT + 1);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralIssuerExpired.selector, ROOT_ENDS_AT));
        dcap.updateRootCrl(last);
    }
}
