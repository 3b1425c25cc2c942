// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CollateralItem, ICollateral} from "../../../../contracts/interfaces/attestation/ICollateral.sol";
import {IDcapVerifier} from "../../../../contracts/interfaces/attestation/IDcapVerifier.sol";
import {ILongCrls, LongCrl} from "../../../../contracts/interfaces/attestation/ILongCrls.sol";
import {IPckCertificates} from "../../../../contracts/interfaces/attestation/IPckCertificates.sol";
import {LongCrlFixture} from "./LongCrlFixture.sol";

/// @dev given a CRL of more entries than one contract's code can hold, uploaded in parts
///     when its authority signed it, and it is in force and newer
///         it should be stored, and each of its certificates revoked, no other
///     when it has 10,000 entries
///         each transaction should stay within what a transaction may use, and a lookup cost hardly more
///     when parts are of two lists, or missing, repeated or reordered
///         it should revert
///     when it is not newer, not in force, of another authority or by another key
///         it should revert
///     when it is issued again with the same entries
///         nothing but its last call should be needed
/// given a long CRL in force
///     when a newer short one is stored, or the root CRL is renewed
///         what each says should hold
contract CollateralLongPckCrlTest is LongCrlFixture {
    uint256 private _leaf;

    function setUp() public override {
        super.setUp();
        _leaf = store.pckCertificate(firstPck).serial;
    }

    /* STORING */

    function test_M15_updateLongPckCrl__five_thousand_entries__revokes_each_and_no_other() external {
        uint256[] memory serials = _many(5000, 1);
        LongCrl memory list = _longCrl(ISSUED_AT + 1, ENDS_AT, serials);
        _addPages(list.parts, serials);
        vm.expectEmit(address(dcap));
        emit ICollateral.PckCrlUpdated(authorityId, ISSUED_AT + 1, ENDS_AT, "");
        dcap.updateLongPckCrl(list, authorityId);
        (CollateralItem memory kept, uint256 usableUntil, bool isRevoked) = dcap.pckCrl(authorityId);
        vm.assertEq(kept.issuedAt, ISSUED_AT + 1);
        vm.assertEq(kept.nextUpdate, ENDS_AT);
        vm.assertEq(usableUntil, ENDS_AT);
        vm.assertFalse(isRevoked);
        vm.assertEq(kept.packed.length, 20 * 5000);
        uint256[] memory sorted = _ascending(serials);
        for (uint256 i = 0; i < 5000; i += 97) {
            vm.assertEq(uint160(bytes20(_slice(kept.packed, 20 * i, 20 * i + 20))), sorted[i]);
        }
        _verify(firstCore);
    }

    function test_M15_verifyQuote__its_certificate_anywhere_in_a_long_list__reverts() external {
        // first and last of all, and on both sides of where a page begins
        uint256[5] memory ranks = [uint256(0), 999, 1000, 1001, 2999];
        for (uint256 i = 0; i < ranks.length; ++i) {
            uint256[] memory serials = new uint256[](3000);
            for (uint256 j = 0; j < 2999; ++j) {
                uint256 distance = (j + 1) << 100;
                serials[j] = j < ranks[i] ? _leaf - distance : _leaf + distance;
            }
            serials[2999] = _leaf;
            LongCrl memory list = _longCrl(ISSUED_AT + i + 1, ENDS_AT, serials);
            _addPages(list.parts, serials);
            dcap.updateLongPckCrl(list, authorityId);
            _assertRevoked();
        }
    }

    function test_M15_verifyQuote__neighbours_of_its_certificate_in_a_long_list__accepted() external {
        uint256[] memory serials = _many(3000, 1);
        (serials[17], serials[2900]) = (_leaf - 1, _leaf + 1);
        _upload(serials);
        _verify(firstCore);
    }

    /* SIZE */

    function test_M15_gas__ten_thousand_entries__each_transaction_is_within_the_limit() external {
        uint256[] memory serials = _many(10_000, 1);
        serials[5000] = _leaf;
        bytes memory part = _copied(_entries(serials, 0), 0, 22 * MAX_PART);
        longCrls.addPart(part);
        vm.assertLe(_transactionGas(abi.encodeCall(longCrls.addPart, (part))), 5_700_000);
        LongCrl memory list = _longCrl(ISSUED_AT + 1, ENDS_AT, serials);
        uint256 start = 0;
        while (start != END) {
            start = _pageEnd(serials, start);
            longCrls.addPage(list.parts, start);
            vm.assertLe(_transactionGas(abi.encodeCall(longCrls.addPage, (list.parts, start))), 8_000_000);
        }
        dcap.updateLongPckCrl(list, authorityId);
        vm.assertLe(_transactionGas(abi.encodeCall(dcap.updateLongPckCrl, (list, authorityId))), 5_000_000);
        _assertRevoked();
    }

    function test_M15_gas__ten_thousand_entries__a_lookup_costs_hardly_more() external {
        uint256[] memory serials = _many(10_000, 1);
        LongCrl memory list = _longCrl(ISSUED_AT + 1, ENDS_AT, serials);
        _addPages(list.parts, serials);
        dcap.assessQuote(_claimsOf(firstCore, firstPck), _anyPolicy());
        uint256 before = vm.lastCallGas().gasTotalUsed;
        dcap.updateLongPckCrl(list, authorityId);
        dcap.assessQuote(_claimsOf(firstCore, firstPck), _anyPolicy());
        vm.assertLe(vm.lastCallGas().gasTotalUsed, before + 12_000);
    }

    /* MIXING */

    function test_M15_updateLongPckCrl__parts_of_two_lists__reverts() external {
        uint256[] memory serials = _many(3000, 1);
        serials[1500] = _leaf;
        LongCrl memory list = _longCrl(ISSUED_AT + 1, ENDS_AT, serials);
        serials[1500] = _leaf + 1;
        LongCrl memory other = _longCrl(ISSUED_AT + 2, ENDS_AT, serials);
        address[] memory parts = list.parts;
        vm.assertEq(parts[0], other.parts[0]);
        vm.assertTrue(parts[1] != other.parts[1]);
        list.parts = other.parts;
        _assertUnsigned(list);
        // one is missing, repeated, or in another place
        list.parts = new address[](2);
        (list.parts[0], list.parts[1]) = (parts[0], parts[1]);
        _assertUnsigned(list);
        list.parts = new address[](4);
        (list.parts[0], list.parts[1], list.parts[2], list.parts[3]) = (parts[0], parts[1], parts[2], parts[2]);
        _assertUnsigned(list);
        list.parts = new address[](3);
        (list.parts[0], list.parts[1], list.parts[2]) = (parts[1], parts[0], parts[2]);
        _assertUnsigned(list);
        list.parts = parts;
        _addPages(parts, _serialsOf(parts));
        dcap.updateLongPckCrl(list, authorityId);
        _assertRevoked();
    }

    function test_M15_updateLongPckCrl__anything_signed_is_changed__reverts() external {
        LongCrl memory list = _longCrl(ISSUED_AT + 1, ENDS_AT, _serials(_leaf));
        longCrls.addPage(list.parts, END);
        LongCrl memory changed = _longCrl(ISSUED_AT + 1, ENDS_AT, _serials(_leaf));
        changed.thisUpdate = _utcTime(ISSUED_AT + 2);
        _assertRefused(changed, authorityId, ICollateral.CollateralSignatureInvalid.selector);
        (changed.thisUpdate, changed.nextUpdate) = (list.thisUpdate, _utcTime(ENDS_AT + 1));
        _assertRefused(changed, authorityId, ICollateral.CollateralSignatureInvalid.selector);
        (changed.nextUpdate, changed.endings[0]) = (list.nextUpdate, _utcTime(ISSUED_AT));
        _assertRefused(changed, authorityId, ICollateral.CollateralSignatureInvalid.selector);
        (changed.endings[0], changed.extensions) = (list.endings[0], _flipped(list.extensions, 35));
        _assertRefused(changed, authorityId, ICollateral.CollateralSignatureInvalid.selector);
        (changed.extensions, changed.issuer) = (list.extensions, _flipped(list.issuer, 20));
        _assertRefused(changed, authorityId, ICollateral.CrlIssuerMismatch.selector);
        (changed.issuer, changed.r) = (list.issuer, list.r ^ 1);
        _assertRefused(changed, authorityId, ICollateral.CollateralSignatureInvalid.selector);
    }

    /* ORDER AND AUTHORITY */

    function test_M15_updateLongPckCrl__issued_before_the_kept_one__reverts() external {
        uint256[] memory serials = _many(3000, 1);
        LongCrl memory older = _longCrl(ISSUED_AT, ENDS_AT, serials);
        LongCrl memory list = _upload(serials);
        _assertRefused(list, authorityId, ICollateral.CollateralNotNewer.selector);
        _assertRefused(older, authorityId, ICollateral.CollateralNotNewer.selector);
        bytes memory short = _crl(false, ISSUED_AT + 1, ENDS_AT, _noSerials());
        cheats.expectPartialRevert(ICollateral.CollateralNotNewer.selector);
        dcap.updatePckCrl(short, authorityId);
    }

    function test_M15_updateLongPckCrl__out_of_force__reverts() external {
        LongCrl memory list = _longCrl(simulatedAt, simulatedAt + 100, _serials(7));
        longCrls.addPage(list.parts, END);
        vm.warp(simulatedAt - 1);
        _assertRefused(list, authorityId, ICollateral.CollateralNotInForce.selector);
        vm.warp(simulatedAt + 100);
        _assertRefused(list, authorityId, ICollateral.CollateralNotInForce.selector);
        vm.warp(ROOT_CRL_ENDS_AT);
        _assertRefused(list, authorityId, ICollateral.RootCrlMissing.selector);
        vm.warp(simulatedAt + 99);
        dcap.updateLongPckCrl(list, authorityId);
    }

    function test_M15_updateLongPckCrl__of_another_authority__reverts() external {
        LongCrl memory list = _longCrl(ISSUED_AT + 1, ENDS_AT, _serials(7));
        longCrls.addPage(list.parts, END);
        _assertRefused(list, "?", IPckCertificates.AuthorityUnknown.selector);
        (list.r, list.s) = (1, 1);
        _assertRefused(list, authorityId, ICollateral.CollateralSignatureInvalid.selector);
    }

    /* LATER */

    function test_M15_updateLongPckCrl__same_entries_a_month_later__needs_the_last_call_only() external {
        uint256[] memory serials = _many(3000, 1);
        LongCrl memory list = _upload(serials);
        vm.warp(ENDS_AT);
        LongCrl memory next = _unsigned(ENDS_AT, ENDS_AT + 30 days);
        next.parts = list.parts;
        _sign(next, _derOf(serials, next.endings[0]));
        dcap.updateLongPckCrl(next, authorityId);
        (CollateralItem memory kept,,) = dcap.pckCrl(authorityId);
        vm.assertEq(kept.issuedAt, ENDS_AT);
        vm.assertEq(kept.packed.length, 20 * 3000);
    }

    function test_M15_updatePckCrl__short_after_a_long_one__replaces_it() external {
        uint256[] memory serials = _many(3000, 1);
        serials[1] = _leaf;
        _upload(serials);
        _assertRevoked();
        dcap.updatePckCrl(_crl(false, ISSUED_AT + 2, ENDS_AT, _serials(7)), authorityId);
        _verify(firstCore);
    }

    function test_M15_updateRootCrl__after_a_long_list__keeps_its_pages() external {
        uint256[] memory serials = _many(3000, 1);
        serials[1] = _leaf;
        _upload(serials);
        dcap.updateRootCrl(_crl(true, ISSUED_AT + 1, ROOT_CRL_ENDS_AT, _serials(7)));
        _assertRevoked();
        (CollateralItem memory kept,,) = dcap.pckCrl(authorityId);
        vm.assertEq(kept.packed.length, 20 * 3000);
    }

    /* HELP */

    /// @dev A list of these entries that is newer than the first one: its parts, its pages, its last call.
    function _upload(uint256[] memory serials) private returns (LongCrl memory list) {
        list = _longCrl(ISSUED_AT + 1, ENDS_AT, serials);
        _addPages(list.parts, serials);
        dcap.updateLongPckCrl(list, authorityId);
    }

    function _assertUnsigned(LongCrl memory list) private {
        _addPages(list.parts, _serialsOf(list.parts));
        _assertRefused(list, authorityId, ICollateral.CollateralSignatureInvalid.selector);
    }

    /// @dev Of the entries of parts.
    function _serialsOf(address[] memory parts) private view returns (uint256[] memory serials) {
        uint256 count = 0;
        for (uint256 i = 0; i < parts.length; ++i) {
            count += (parts[i].code.length - 1) / 22;
        }
        serials = new uint256[](count);
        count = 0;
        for (uint256 i = 0; i < parts.length; ++i) {
            bytes memory code = parts[i].code;
            for (uint256 j = 1; j < code.length; j += 22) {
                serials[count++] = uint160(bytes20(_copied(code, j, j + 20)));
            }
        }
    }

    function _assertRefused(LongCrl memory list, bytes32 authority, bytes4 selector) private {
        cheats.expectPartialRevert(selector);
        dcap.updateLongPckCrl(list, authority);
    }

    function _assertRevoked() private {
        bytes memory core = firstCore;
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PckRevoked.selector, firstPck));
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }
}
