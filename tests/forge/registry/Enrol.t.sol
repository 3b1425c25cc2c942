// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ShardRegistry} from "../../../contracts/ShardRegistry.sol";
import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {IModelRegistry} from "../../../contracts/interfaces/IModelRegistry.sol";
import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {RejectingVerifier} from "../../../contracts/mocks/RejectingVerifier.sol";
import {MAX_SHARD_ID, ModelId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {Attestation, EnrolmentParameters, Shard, ShardStatus, SignerRecord} from "../../../contracts/types/Shard.sol";
import {TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given an enclave with a fresh quote, and its host with a bond when everything is valid: the shard should be active,
/// published with all that a reader needs, and its bond collected when the host enrols another one: its payout address
/// must be the same Given that anything differs: range, endpoint, signer, signature, quote, report data, time,
/// platform, measurement, bond it should be refused by name
contract EnrolTest is ShardFixture {
    Enclave private _enclaveAtHand;
    EnrolmentParameters private _given;

    function setUp() public override {
        super.setUp();
        _enclaveAtHand = _enclave("entry", 0, 2, true);
        _given = _enrolmentParameters(_enclaveAtHand);
    }

    function test_enrol__everything_fits__stores_the_shard() external {
        VerifiedQuote memory verified = _verifiedNow();
        uint256 funds = token.balanceOf(_enclaveAtHand.host);
        ShardId shardId = _enrolWith(verified);
        Shard memory shard = registry.shard(shardId);
        vm.assertEq(ShardId.unwrap(shardId), 1);
        vm.assertEq(shard.signer, _enclaveAtHand.signer);
        vm.assertEq(shard.host, _enclaveAtHand.host);
        vm.assertEq(shard.attestedUntil, block.timestamp + ATTESTATION_PERIOD);
        vm.assertTrue(shard.modelId == modelId && shard.firstLayer == 0 && shard.endLayer == 2 && shard.isEntry);
        vm.assertTrue(shard.status == ShardStatus.ACTIVE);
        vm.assertEq(shard.bond, BOND);
        vm.assertEq(shard.identityDigest, _identityDigest(_given, _enclaveAtHand.host));
        vm.assertEq(shard.quoteHash, _nameOf(verified));
        vm.assertEq(token.balanceOf(_enclaveAtHand.host), funds - BOND);
        vm.assertEq(token.balanceOf(address(registry)), BOND);
        vm.assertTrue(registry.isActive(shardId));
    }

    function test_enrol__everything_fits__keeps_what_is_found_by_the_signer() external {
        ShardId shardId = _enrolWith(_verifiedNow());
        SignerRecord memory record = registry.signerRecord(_enclaveAtHand.signer);
        vm.assertTrue(record.shardId == shardId);
        vm.assertEq(record.enrolledAtBlock, block.number);
        vm.assertEq(record.attestedAtBlock, block.number);
        vm.assertEq(record.leftAt, 0);
        vm.assertTrue(registry.shardOf(_enclaveAtHand.signer) == shardId);
        vm.assertEq(registry.measurementOf(shardId), MEASUREMENT);
        vm.assertEq(registry.enrolmentBlock(shardId), block.number);
        vm.assertEq(registry.attestationBlock(shardId), block.number);
        vm.assertEq(registry.payoutOf(_enclaveAtHand.host), _given.payout);
        vm.assertEq(registry.shardCount(), 1);
    }

    function test_enrol__everything_fits__announces_what_a_reader_needs() external {
        VerifiedQuote memory verified = _verifiedNow();
        Attestation memory attestation = Attestation({
            signer: _given.signer,
            kem: _given.kem,
            tls: _given.tls,
            sliceDigest: registry.sliceDigest(modelId, 0, 2, true),
            identityDigest: _identityDigest(_given, _enclaveAtHand.host),
            quoteHash: _nameOf(verified),
            claims: verified.claims,
            pckId: PCK_ID,
            tcbStatus: TcbStatus.UP_TO_DATE,
            evaluationNumber: 20,
            collateralUntil: 0,
            attestedUntil: uint32(block.timestamp + ATTESTATION_PERIOD),
            blockNumber: _given.blockNumber,
            blockHash: blockhash(_given.blockNumber),
            endpoint: ENDPOINT
        });
        vm.expectEmit(address(registry));
        emit IShardBonds.PayoutSet(_enclaveAtHand.host, _given.payout);
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardEnrolled({
            shardId: ShardId.wrap(1),
            modelId: modelId,
            host: _enclaveAtHand.host,
            firstLayer: 0,
            endLayer: 2,
            isEntry: true,
            attestation: attestation,
            quote: abi.encode(verified)
        });
        _enrolWith(verified);
    }

    function test_enrol__certificates_end_before_the_period__is_attested_until_then() external {
        VerifiedQuote memory verified = _verifiedNow();
        verified.claims.qeAndEnd = bytes32(block.timestamp + 1 hours);
        ShardId shardId = _enrolWith(verified);
        vm.assertEq(registry.shard(shardId).attestedUntil, block.timestamp + 1 hours);
    }

    function test_enrol__all_ids_are_used_up__reverts() external {
        _setShardCount(MAX_SHARD_ID - 1);
        ShardId highest = _enrolWith(_verifiedNow());
        vm.assertEq(ShardId.unwrap(highest), MAX_SHARD_ID);
        _enclaveAtHand = _enclave("one too many", 0, 2, true);
        _given = _enrolmentParameters(_enclaveAtHand);
        _assertRefused(abi.encodeWithSelector(IShardRegistry.TooManyShards.selector, MAX_SHARD_ID));
    }

    function test_enrol__certificates_have_ended__reverts() external {
        VerifiedQuote memory verified = _verifiedNow();
        verified.claims.qeAndEnd = bytes32(block.timestamp - 1);
        _assertRefusedWith(
            verified, abi.encodeWithSelector(IShardRegistry.PlatformNoLongerCertified.selector, block.timestamp - 1)
        );
    }

    function test_enrol__collateral_ends_before_the_period__is_attested_for_the_whole_period() external {
        VerifiedQuote memory verified = _verifiedNow();
        verified.validUntil = uint40(block.timestamp + 1 hours);
        ShardId shardId = _enrolWith(verified);
        vm.assertEq(registry.shard(shardId).attestedUntil, block.timestamp + ATTESTATION_PERIOD);
    }

    function test_enrol__second_shard_of_the_host__pays_out_to_the_same_address() external {
        _enrolWith(_verifiedNow());
        Enclave memory second = _enclave("second", 2, LAYERS, false);
        second.host = _enclaveAtHand.host;
        _enrol(second);
        vm.assertEq(registry.payoutOf(second.host), _given.payout);
    }

    function test_enrol__another_payout_address__reverts() external {
        _enrolWith(_verifiedNow());
        _enclaveAtHand = _enclave("second", 2, LAYERS, false);
        address host = named("host of entry");
        _enclaveAtHand.host = host;
        address fixedPayout = _given.payout;
        _given = _enrolmentParameters(_enclaveAtHand);
        _given.payout = stranger;
        _assertRefused(abi.encodeWithSelector(IShardBonds.PayoutFixed.selector, host, fixedPayout, stranger));
    }

    function test_enrol__no_payout_address__reverts() external {
        _given.payout = address(0);
        _assertRefused(abi.encodeWithSelector(IShardBonds.ZeroPayout.selector));
    }

    /* RANGE, ENDPOINT, SIGNER */

    function test_enrol__entry_not_at_layer_zero__reverts() external {
        (_given.firstLayer, _given.endLayer) = (1, 3);
        _assertRefused(abi.encodeWithSelector(IShardRegistry.EntryMustStartAtLayerZero.selector, 1));
    }

    function test_enrol__layers_the_model_does_not_have__reverts() external {
        bytes memory quote = abi.encode(_verifiedNow());
        _given.endLayer = LAYERS + 1;
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.LayerRangeInvalid.selector, 0, LAYERS + 1, LAYERS));
        registry.enrol(_given, quote, PCK_ID, "");
    }

    function test_enrol__unknown_model__reverts() external {
        bytes memory quote = abi.encode(_verifiedNow());
        _given.modelId = ModelId.wrap(9);
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9));
        registry.enrol(_given, quote, PCK_ID, "");
    }

    function test_enrol__no_endpoint__reverts() external {
        _given.endpoint = "";
        _assertRefused(abi.encodeWithSelector(IShardRegistry.EndpointLengthInvalid.selector, 0, 255));
    }

    function test_enrol__endpoint_too_long__reverts() external {
        _given.endpoint = string(new bytes(256));
        _assertRefused(abi.encodeWithSelector(IShardRegistry.EndpointLengthInvalid.selector, 256, 255));
    }

    function test_enrol__signer_has_a_shard__reverts() external {
        ShardId shardId = _enrolWith(_verifiedNow());
        _assertRefused(abi.encodeWithSelector(IShardRegistry.SignerAlreadyEnrolled.selector, _given.signer, shardId));
    }

    function test_enrol__signer_left_but_its_bond_did_not__reverts() external {
        ShardId shardId = _enrolWith(_verifiedNow());
        vm.prank(_enclaveAtHand.host);
        registry.retire(shardId);
        _assertRefused(abi.encodeWithSelector(IShardRegistry.SignerAlreadyEnrolled.selector, _given.signer, shardId));
    }

    function test_enrol__signer_left_with_its_bond__enrols_again() external {
        ShardId first = _enrolWith(_verifiedNow());
        vm.prank(_enclaveAtHand.host);
        registry.retire(first);
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(first);
        ShardId second = _enrolWith(_verifiedNow());
        vm.assertTrue(registry.shardOf(_given.signer) == second);
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.ShardReplaced.selector, first, second));
        registry.measurementOf(first);
    }

    function test_enrol__signed_by_another_key__reverts() external {
        bytes memory quote = abi.encode(_verifiedNow());
        Enclave memory other = _enclaveAtHand;
        other.key = keyOf("another enclave");
        bytes memory signature = _signedEnrolment(other, _given);
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(
            abi.encodeWithSelector(IShardRegistry.EnrolmentNotSigned.selector, _given.signer, vm.addr(other.key))
        );
        registry.enrol(_given, quote, PCK_ID, signature);
    }

    function test_enrol__no_signature__reverts() external {
        bytes memory quote = abi.encode(_verifiedNow());
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.EnrolmentNotSigned.selector, _given.signer, address(0)));
        registry.enrol(_given, quote, PCK_ID, "");
    }

    function test_enrol__another_host_brings_quote_and_signature__reverts() external {
        bytes memory quote = abi.encode(_verifiedNow());
        bytes memory signature = _signedEnrolment(_enclaveAtHand, _given);
        _fund(stranger, BOND);
        vm.prank(stranger);
        try registry.enrol(_given, quote, PCK_ID, signature) {
            revert("a stranger enrolled another's enclave");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(IShardRegistry.EnrolmentNotSigned.selector));
        }
    }

    /* QUOTE */

    function test_enrol__quote_rejected__reverts() external {
        ShardRegistry strict = new ShardRegistry({
            authority: address(this),
            token: token,
            verifier: new RejectingVerifier(),
            bond: BOND,
            attestationPeriod: ATTESTATION_PERIOD,
            unbondingPeriod: UNBONDING_PERIOD
        });
        strict.publishModel(_modelParameters(), _one(MEASUREMENT));
        registry = strict;
        _assertRefused(abi.encodeWithSelector(RejectingVerifier.QuoteRejected.selector));
    }

    /// @dev This test replaces the AccessManager: any caller may call any function.
    function canCall(address, address, bytes4) external pure returns (bool immediate, uint32 delay) {
        return (true, 0);
    }

    function test_enrol__report_data_of_another_identity__reverts() external {
        VerifiedQuote memory verified = _verifiedNow();
        bytes32 expected = verified.reportDataLow;
        verified.reportDataLow = keccak256("another identity");
        _assertRefusedWith(
            verified,
            abi.encodeWithSelector(IShardRegistry.ReportDataMismatch.selector, expected, keccak256("another identity"))
        );
    }

    function test_enrol__report_data_with_an_upper_half__reverts() external {
        VerifiedQuote memory verified = _verifiedNow();
        verified.reportDataHigh = bytes32(uint256(1));
        _assertRefusedWith(
            verified, abi.encodeWithSelector(IShardRegistry.ReportDataUpperHalfNotZero.selector, bytes32(uint256(1)))
        );
    }

    function test_enrol__revoked_platform__reverts() external {
        VerifiedQuote memory verified = _verifiedNow();
        verified.tcbStatus = TcbStatus.REVOKED;
        _assertRefusedWith(
            verified, abi.encodeWithSelector(IModelRegistry.TcbStatusRefused.selector, PLATFORM, TcbStatus.REVOKED)
        );
    }

    function test_enrol__denied_platform__reverts() external {
        vm.prank(guardian);
        registry.denyPlatform(PLATFORM);
        _assertRefused(abi.encodeWithSelector(IModelRegistry.PlatformIsDenied.selector, PLATFORM));
    }

    function test_enrol__measurement_not_allowed__reverts() external {
        VerifiedQuote memory verified = _verifiedNow();
        verified.claims.measurement = keccak256("another image");
        _assertRefusedWith(
            verified,
            abi.encodeWithSelector(
                IModelAdministration.MeasurementNotAllowed.selector, modelId, keccak256("another image")
            )
        );
    }

    function test_enrol__withdrawn_measurement__reverts() external {
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        _assertRefused(
            abi.encodeWithSelector(IModelAdministration.MeasurementNotAllowed.selector, modelId, MEASUREMENT)
        );
    }

    /* TIME */

    function test_enrol__oldest_block_of_the_opcode__is_recent() external {
        _given.blockNumber = block.number - 256;
        vm.setBlockhash(_given.blockNumber, keccak256("old block"));
        vm.assertTrue(registry.isActive(_enrolWith(_verifiedNow())));
    }

    function test_enrol__block_from_history__is_recent() external {
        _given.blockNumber = block.number - 257;
        bytes32 hash = keccak256("older block");
        address history = 0x0000F90827F1C53a10cb7A02335B175320002935;
        vm.mockCall(history, abi.encode(_given.blockNumber), abi.encode(hash));
        VerifiedQuote memory verified = _verifiedNow();
        bytes32 identityDigest = _identityDigest(_given, _enclaveAtHand.host);
        verified.reportDataLow = keccak256(abi.encode(_reportTypeHash(), identityDigest, _given.blockNumber, hash));
        vm.assertTrue(registry.isActive(_enrolWith(verified)));
    }

    function test_enrol__block_too_old__reverts() external {
        _given.blockNumber = block.number - 8192;
        _assertRefused(
            abi.encodeWithSelector(IShardRegistry.BlockHashUnknown.selector, _given.blockNumber, block.number)
        );
    }

    function test_enrol__block_to_come__reverts() external {
        _given.blockNumber = block.number;
        _assertRefused(abi.encodeWithSelector(IShardRegistry.BlockHashUnknown.selector, block.number, block.number));
    }

    /* BOND */

    function test_enrol__host_without_tokens__reverts() external {
        address host = _enclaveAtHand.host;
        uint256 funds = token.balanceOf(host);
        vm.prank(host);
        token.transfer(treasury, funds - BOND + 1);
        _assertRefused(
            abi.encodeWithSignature("ERC20InsufficientBalance(address,uint256,uint256)", host, BOND - 1, BOND)
        );
    }

    /* HELP */

    function _reportTypeHash() private pure returns (bytes32) {
        return keccak256("TeeTeeReport(bytes32 identityDigest,uint256 blockNumber,bytes32 blockHash)");
    }

    function _verifiedNow() private view returns (VerifiedQuote memory) {
        return _verified(_identityDigest(_given, _enclaveAtHand.host), _given.blockNumber);
    }

    function _enrolWith(VerifiedQuote memory verified) private returns (ShardId) {
        bytes memory signature = _signedEnrolment(_enclaveAtHand, _given);
        vm.prank(_enclaveAtHand.host);
        return registry.enrol(_given, abi.encode(verified), PCK_ID, signature);
    }

    function _assertRefused(bytes memory expected) private {
        _assertRefusedWith(_verifiedNow(), expected);
    }

    /// @dev As if so many shards had enrolled: no test can wait for 2^24 of them. The count shares a slot with the
    /// address of the escrow; see `forge inspect ShardRegistry storage-layout`.
    function _setShardCount(uint32 count) private {
        bytes32 slot = bytes32(uint256(10));
        bytes32 escrowAlone = bytes32(uint256(uint160(address(escrow))));
        vm.assertEq(vm.load(address(registry), slot), escrowAlone);
        vm.store(address(registry), slot, bytes32(uint256(count) << 160) | escrowAlone);
        vm.assertEq(registry.shardCount(), count);
    }

    function _assertRefusedWith(VerifiedQuote memory verified, bytes memory expected) private {
        bytes memory signature = _signedEnrolment(_enclaveAtHand, _given);
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(expected);
        registry.enrol(_given, abi.encode(verified), PCK_ID, signature);
    }
}
