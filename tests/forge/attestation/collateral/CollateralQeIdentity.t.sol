// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DcapVerifier} from "../../../../contracts/attestation/DcapVerifier.sol";
import {CollateralJson} from "../../../../contracts/attestation/collateral/CollateralJson.sol";
import {CollateralReader} from "../../../../contracts/attestation/collateral/CollateralReader.sol";
import {CollateralItem, ICollateral} from "../../../../contracts/interfaces/attestation/ICollateral.sol";
import {CollateralFixture} from "./CollateralFixture.sol";

/// @dev given Intel's recorded QE identity and a root CRL
///     when it is in force, both dates included
///         it should be stored and published
///     when it is in force from the next second on, or expired in the last one
///         it should revert
///     when it is stored already, or any byte of it is changed
///         it should revert
/// given QE identities of the simulated signer
///     when one was issued before the stored one, or at the same time
///         it should revert
///     when it fits into one word, and when it doesn't
///         it should say the same when it is read
///     when its signature has another length, or it isn't in Intel's form
///         it should revert with that error
///     when there is no root CRL
///         it should revert
contract CollateralQeIdentityTest is CollateralFixture {
    uint256 private constant RECORDED_AT = 1_786_579_063; // 2026-08-12T23:57:43Z
    uint256 private constant RECORDED_ENDS_AT = 1_789_171_063; // 2026-09-11T23:57:43Z

    DcapVerifier private _intel;
    bytes32 private _intelSigner;
    bytes private _recorded;
    bytes private _signature;

    function setUp() public override {
        super.setUp();
        (_intel,, _intelSigner) = _intelVerifier();
        _intel.updateRootCrl(_bytes(RECORDED, "rootCrl"));
        _recorded = _bytes(RECORDED, "qeIdentity");
        _signature = _bytes(RECORDED, "qeIdentitySignature");
    }

    /* RECORDED */

    function test_updateQeIdentity__recorded__is_kept_and_published() external {
        vm.expectEmit(address(_intel));
        emit ICollateral.QeIdentityUpdated({
            evaluationNumber: 19,
            signerId: _intelSigner,
            issuedAt: RECORDED_AT,
            nextUpdate: RECORDED_ENDS_AT,
            json: _recorded,
            signature: _signature
        });
        _update(_recorded);
        CollateralItem memory kept = _intel.qeIdentity(19);
        vm.assertEq(kept.issuedAt, RECORDED_AT);
        vm.assertEq(kept.nextUpdate, RECORDED_ENDS_AT);
        // one level: ISVSVN 4, up to date
        vm.assertEq(_slice(kept.packed, 72, kept.packed.length), hex"00020001000401");
        vm.assertEq(_intel.evaluationNumbers(0, 0), 1 << 19);
    }

    function test_updateQeIdentity__first_and_last_second__is_kept() external {
        uint256 fork = vm.snapshotState();
        vm.warp(RECORDED_AT);
        _update(_recorded);
        vm.revertToState(fork);
        vm.warp(RECORDED_ENDS_AT);
        _update(_recorded);
        vm.assertEq(_intel.qeIdentity(19).issuedAt, RECORDED_AT);
    }

    function test_updateQeIdentity__a_second_too_early_or_too_late__reverts() external {
        bytes memory expected =
            abi.encodeWithSelector(ICollateral.CollateralNotInForce.selector, RECORDED_AT, RECORDED_ENDS_AT);
        vm.warp(RECORDED_AT - 1);
        vm.expectRevert(expected);
        _update(_recorded);
        vm.warp(RECORDED_ENDS_AT + 1);
        vm.expectRevert(expected);
        _update(_recorded);
    }

    function test_updateQeIdentity__a_second_time__reverts() external {
        _update(_recorded);
        vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, RECORDED_AT, RECORDED_AT));
        _update(_recorded);
    }

    function test_updateQeIdentity__any_byte_changed__reverts() external {
        for (uint256 i = 0; i < _recorded.length; ++i) {
            bytes memory changed = _flipped(_recorded, i);
            vm.expectRevert(ICollateral.CollateralSignatureInvalid.selector);
            _update(changed);
        }
    }

    function test_updateQeIdentity__signature_of_another_length__reverts() external {
        for (uint256 length = 0; length <= 65; length += length == 0 ? 63 : 2) {
            bytes memory signature = _slice(bytes.concat(_signature, hex"00"), 0, length);
            vm.expectRevert(abi.encodeWithSelector(ICollateral.CollateralSignatureLengthInvalid.selector, length));
            _intel.updateQeIdentity(_recorded, signature, _intelSigner);
        }
    }

    function test_updateQeIdentity__no_root_crl__reverts() external {
        DcapVerifier empty = new DcapVerifier(_intel.certificates());
        vm.expectRevert(ICollateral.RootCrlMissing.selector);
        empty.updateQeIdentity(_recorded, _signature, _intelSigner);
    }

    /* ORDER */

    function test_updateQeIdentity__issued_before_the_kept_one__reverts() external {
        vm.warp(simulatedAt);
        bytes memory later = _issued(qeIdentity, "2026-01-14T12:00:01Z");
        dcap.updateQeIdentity(later, _signed(later), signerId);
        _assertRefused(
            qeIdentity, abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, ISSUED_AT)
        );
        _assertRefused(
            later, abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, ISSUED_AT + 1)
        );
        // one that doesn't fit into a word, neither
        _assertRefused(
            _edited(qeIdentity, '"isvprodid":2', '"isvprodid":3'),
            abi.encodeWithSelector(ICollateral.CollateralNotNewer.selector, ISSUED_AT + 1, ISSUED_AT)
        );
    }

    function test_updateQeIdentity__highest_evaluation_number__is_kept_and_no_higher_one() external {
        vm.warp(simulatedAt);
        bytes memory highest = _ofNumber(qeIdentity, "255");
        dcap.updateQeIdentity(highest, _signed(highest), signerId);
        vm.assertEq(dcap.evaluationNumbers(0, 0), (1 << 20) | (1 << 255));
        _assertRefused(
            _ofNumber(qeIdentity, "256"), abi.encodeWithSelector(ICollateral.EvaluationNumberTooHigh.selector, 256)
        );
    }

    /* FORM */

    function test_updateQeIdentity__any_number_of_levels__says_what_the_reader_reads() external {
        vm.warp(simulatedAt);
        CollateralReader reader = new CollateralReader();
        // up to eight fit into one word
        for (uint256 count = 1; count <= 9; ++count) {
            bytes memory identity = _ofNumber(_withLevels(count), string(_two(30 + count)));
            dcap.updateQeIdentity(identity, _signed(identity), signerId);
            (, bytes memory packed) = reader.readQeIdentity(identity);
            vm.assertEq(dcap.qeIdentity(30 + count).packed, packed);
        }
    }

    function test_updateQeIdentity__other_than_intels_have_been__says_what_the_reader_reads() external {
        vm.warp(simulatedAt);
        CollateralReader reader = new CollateralReader();
        bytes memory identity = _ofNumber(_edited(qeIdentity, '"isvprodid":2', '"isvprodid":3'), "21");
        dcap.updateQeIdentity(identity, _signed(identity), signerId);
        (, bytes memory packed) = reader.readQeIdentity(identity);
        vm.assertEq(dcap.qeIdentity(21).packed, packed);
    }

    function test_updateQeIdentity__a_tcb_info__reverts() external {
        vm.warp(simulatedAt);
        _assertRefused(tcbInfo, abi.encodeWithSelector(CollateralJson.JsonUnexpected.selector, tcbInfo.length));
    }

    /* HELP */

    /// @dev ISVSVN 65,535 and down, of all three statuses in turn.
    function _withLevels(uint256 count) private view returns (bytes memory) {
        bytes memory levels = "";
        string[3] memory statuses = ["UpToDate", "OutOfDate", "Revoked"];
        for (uint256 i = 0; i < count; ++i) {
            levels = bytes.concat(
                levels,
                bytes(i == 0 ? '{"tcb":{"isvsvn":655' : ',{"tcb":{"isvsvn":655'),
                _two(35 - i),
                '},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"',
                bytes(statuses[i % 3]),
                '"}'
            );
        }
        bytes memory one = '{"tcb":{"isvsvn":6},"tcbDate":"2026-01-14T00:00:00Z","tcbStatus":"UpToDate"}';
        return _edited(qeIdentity, one, levels);
    }

    function _update(bytes memory json) private {
        _intel.updateQeIdentity(json, _signature, _intelSigner);
    }

    function _assertRefused(bytes memory identity, bytes memory expected) private {
        bytes memory signature = _signed(identity);
        vm.expectRevert(expected);
        dcap.updateQeIdentity(identity, signature, signerId);
    }
}
