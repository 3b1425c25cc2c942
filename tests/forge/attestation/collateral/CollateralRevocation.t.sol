// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {ICollateral} from "../../../../contracts/interfaces/attestation/ICollateral.sol";
import {IDcapVerifier} from "../../../../contracts/interfaces/attestation/IDcapVerifier.sol";
import {QuoteAssessment, TcbStatus} from "../../../../contracts/types/VerifiedQuote.sol";
import {CollateralFixture} from "./CollateralFixture.sol";

/// @dev given a quote of a machine, and revocation lists
///     when its authority's CRL lists its certificate
///         it should be refused, and a certificate of another machine accepted
///     when the root CRL lists its authority or the root, uploaded before or after the authority's CRL
///         it should be refused
///     when a list names a certificate that isn't of its issuer
///         it should be accepted
///     when a newer list doesn't name it any more
///         it should be accepted again
///     when the list that names it has expired
///         it should still count as revoked
/// given a root CRL that lists a signer of collateral
///     when it has signed a stored item
///         that item should not count, and one by another signer should
///     when it signs more
///         it should be refused by name
/// given a root CRL that lists the root
///     it should accept no collateral at all
contract CollateralRevocationTest is CollateralFixture {
    uint160 private _leafSerial;
    uint160 private _authoritySerial;
    uint160 private _signerSerial;
    uint160 private _rootSerial;
    // so that each list is newer than the one before
    uint256 private _lists;

    function setUp() public override {
        super.setUp();
        _leafSerial = store.pckCertificate(firstPck).serial;
        _authoritySerial = store.authority(authorityId).serial;
        _signerSerial = store.collateralSigner(signerId).serial;
        (, _rootSerial) = store.rootName();
    }

    /* MACHINES */

    function test_verifyQuote__its_certificate_on_its_authoritys_list__reverts() external {
        _verify(firstCore);
        _revoke(false, _leafSerial);
        _assertRevoked();
        // no other certificate
        bytes32 second = _word(SECOND, "pckId");
        vm.assertTrue(dcap.verifyQuote(_bytes(SECOND, "core"), second, _anyPolicy()).claims.coreHash != 0);
    }

    function test_verifyQuote__its_certificate_among_others_on_the_list__reverts() external {
        // first, middle and last of three
        for (uint160 i = 0; i < 3; ++i) {
            uint256[] memory serials = new uint256[](3);
            for (uint160 j = 0; j < 3; ++j) {
                serials[j] = _leafSerial + j - i;
            }
            dcap.updatePckCrl(_crl(false, ISSUED_AT + ++_lists, ENDS_AT, serials), authorityId);
            _assertRevoked();
        }
    }

    function test_verifyQuote__neighbours_of_its_certificate_on_the_list__accepted() external {
        uint256[] memory serials = new uint256[](2);
        (serials[0], serials[1]) = (_leafSerial - 1, _leafSerial + 1);
        dcap.updatePckCrl(_crl(false, ISSUED_AT + 1, ENDS_AT, serials), authorityId);
        _verify(firstCore);
    }

    function test_verifyQuote__its_authority_on_the_root_list__reverts() external {
        _revoke(true, _authoritySerial);
        _assertRevoked();
        (,, bool isRevoked) = dcap.pckCrl(authorityId);
        vm.assertTrue(isRevoked);
    }

    function test_verifyQuote__its_authority_on_a_root_list_brought_before_its_own__reverts() external {
        DcapVerifier later = new DcapVerifier(store);
        later.updateRootCrl(_crl(true, ISSUED_AT + 1, ROOT_CRL_ENDS_AT, _serials(_authoritySerial)));
        later.updatePckCrl(_bytes(SIMULATED, "pckCrl"), authorityId);
        later.updateTcbInfo(tcbInfo, _signed(tcbInfo), signerId);
        later.updateQeIdentity(qeIdentity, _signed(qeIdentity), signerId);
        dcap = later;
        _assertRevoked();
    }

    function test_verifyQuote__its_authority_revoked_and_then_its_own_list_renewed__reverts() external {
        _revoke(true, _authoritySerial);
        _revoke(false, 7);
        _assertRevoked();
    }

    function test_verifyQuote__root_on_its_own_list__reverts() external {
        _revoke(true, _rootSerial);
        _assertRevoked();
    }

    function test_verifyQuote__lists_that_name_others_certificates__accepted() external {
        // a number is unique below one issuer only
        _revoke(true, _leafSerial);
        _revoke(false, _authoritySerial);
        _verify(firstCore);
    }

    function test_verifyQuote__removed_from_the_list__accepted_again() external {
        _revoke(false, _leafSerial);
        _revoke(true, _authoritySerial);
        _assertRevoked();
        dcap.updatePckCrl(_crl(false, ISSUED_AT + ++_lists, ENDS_AT, _noSerials()), authorityId);
        _assertRevoked();
        dcap.updateRootCrl(_crl(true, ISSUED_AT + ++_lists, ROOT_CRL_ENDS_AT, _noSerials()));
        _verify(firstCore);
    }

    function test_assessQuote__revoked_by_a_list_that_has_ended__is_revoked_still() external {
        _revoke(false, _leafSerial);
        vm.warp(ENDS_AT + 365 days);
        QuoteAssessment memory assessed = dcap.assessQuote(_claimsOf(firstCore, firstPck), _anyPolicy());
        vm.assertTrue(assessed.isRevoked);
        vm.assertTrue(assessed.tcbStatus == TcbStatus.UNCHECKED);
        vm.assertEq(assessed.platformId, _word(FIRST, "platformId"));
    }

    /* SIGNERS OF COLLATERAL */

    function test_verifyQuote__signer_of_its_collateral_revoked__has_none() external {
        _revoke(true, _signerSerial);
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.CollateralMissing.selector, bytes6("SIMTDX"), 0));
        _verify(firstCore);
        // a newer root CRL which doesn't name it any more
        _revoke(true, 7);
        _verify(firstCore);
    }

    function test_verifyQuote__another_signer_beside_the_revoked_one__counts() external {
        bytes32 other = store.addCollateralSigner(_otherSigner());
        bytes memory info = _ofNumber(tcbInfo, "21");
        bytes memory identity = _ofNumber(qeIdentity, "21");
        dcap.updateTcbInfo(info, _signed(info), other);
        dcap.updateQeIdentity(identity, _signed(identity), other);
        vm.assertEq(_verify(firstCore).evaluationNumber, 20);
        _revoke(true, _signerSerial);
        vm.assertEq(_verify(firstCore).evaluationNumber, 21);
        // a bad status from the set that counts instead must not evict a shard
        vm.assertFalse(dcap.assessQuote(_claimsOf(firstCore, firstPck), _anyPolicy()).isConclusive);
    }

    function test_updateTcbInfo__revoked_signer__reverts() external {
        _revoke(true, _signerSerial);
        bytes memory info = _issued(tcbInfo, "2026-01-14T12:00:01Z");
        bytes memory signature = _signed(info);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralIssuerRevoked.selector, _signerSerial));
        dcap.updateTcbInfo(info, signature, signerId);
        bytes memory identity = _issued(qeIdentity, "2026-01-14T12:00:01Z");
        signature = _signed(identity);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralIssuerRevoked.selector, _signerSerial));
        dcap.updateQeIdentity(identity, signature, signerId);
        // of another certificate with the same key it may be accepted: that one isn't revoked
        dcap.updateQeIdentity(identity, signature, store.addCollateralSigner(_otherSigner()));
    }

    function test_updateTcbInfo__revoked_root__reverts() external {
        _revoke(true, _rootSerial);
        bytes memory info = _issued(tcbInfo, "2026-01-14T12:00:01Z");
        bytes memory signature = _signed(info);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralIssuerRevoked.selector, _signerSerial));
        dcap.updateTcbInfo(info, signature, signerId);
    }

    /* HELP */

    function _revoke(bool byRoot, uint256 serial) private {
        bytes memory crl = _crl({
            isRoot: byRoot,
            thisUpdate: ISSUED_AT + ++_lists,
            nextUpdate: byRoot ? ROOT_CRL_ENDS_AT : ENDS_AT,
            serials: _serials(serial)
        });
        if (byRoot) dcap.updateRootCrl(crl);
        else dcap.updatePckCrl(crl, authorityId);
    }

    function _assertRevoked() private {
        bytes memory core = firstCore;
        vm.expectRevert(abi.encodeWithSelector(IDcapVerifier.PckRevoked.selector, firstPck));
        dcap.verifyQuote(core, firstPck, _anyPolicy());
    }

    /// @dev Another certificate of the same signer, with another serial number.
    function _otherSigner() private view returns (bytes memory) {
        bytes memory tbs = _tbs(_bytes(SIMULATED, "tcbSigning"));
        return _certificate(_flipped(tbs, 12), uint256(_word(SIMULATED, "rootKey")));
    }
}
