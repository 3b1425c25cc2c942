// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {ShardId} from "../../../contracts/types/Identifiers.sol";
import {Attestation, RekeyParameters, Shard, ShardStatus, SignerRecord} from "../../../contracts/types/Shard.sol";
import {TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given an enrolled shard whose machine was rebooted, so that its enclave has new keys
///   when its host shows a fresh quote over the new identity: the shard should have the new keys, its id and its bond
///   when the shard was paused or evicted: it should be active again
///   when another account calls, the quote is of another identity, range, host or block, the signer has another shard,
///   or the shard has retired or was replaced: it should be refused by name
contract RekeyTest is ShardFixture {
    Enclave private _old;
    Enclave private _new;
    uint256 private _enrolledAtBlock;

    function setUp() public override {
        super.setUp();
        _old = _shard("entry", 0, 2, true);
        _new = _rebooted(_old, "entry after a reboot");
        _enrolledAtBlock = block.number;
        vm.roll(block.number + 100);
        vm.warp(block.timestamp + 10 days);
    }

    function test_c1_rekey__fresh_quote_of_new_keys__keeps_id_bond_and_layers() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        Shard memory before = registry.shard(_old.shardId);
        uint256 bonds = token.balanceOf(address(registry));
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardRekeyed(
            _old.shardId, modelId, _old.host, _attestation(parameters, verified), abi.encode(verified)
        );
        _rekeyWith(parameters, verified);
        Shard memory rekeyed = registry.shard(_old.shardId);
        vm.assertEq(rekeyed.signer, _new.signer);
        vm.assertEq(rekeyed.identityDigest, _newIdentity());
        vm.assertTrue(rekeyed.identityDigest != before.identityDigest);
        vm.assertEq(rekeyed.quoteHash, _nameOf(verified));
        vm.assertEq(rekeyed.attestedUntil, block.timestamp + ATTESTATION_PERIOD);
        vm.assertTrue(registry.isActive(_old.shardId));
        // what stays
        vm.assertEq(rekeyed.bond, BOND);
        vm.assertEq(rekeyed.host, before.host);
        vm.assertEq(rekeyed.firstLayer, before.firstLayer);
        vm.assertEq(rekeyed.endLayer, before.endLayer);
        vm.assertTrue(rekeyed.isEntry);
        vm.assertEq(registry.shardCount(), 1);
        vm.assertEq(token.balanceOf(address(registry)), bonds);
    }

    function test_rekey__new_keys__move_the_signers_record() external {
        _rekey(_new);
        SignerRecord memory record = registry.signerRecord(_new.signer);
        vm.assertTrue(record.shardId == _old.shardId);
        vm.assertEq(record.enrolledAtBlock, _enrolledAtBlock);
        vm.assertEq(record.attestedAtBlock, block.number);
        vm.assertEq(record.leftAt, 0);
        vm.assertTrue(record.platformTag == bytes8(PLATFORM));
        vm.assertEq(registry.measurementOf(_old.shardId), MEASUREMENT);
        vm.assertEq(registry.enrolmentBlock(_old.shardId), _enrolledAtBlock);
        vm.assertEq(registry.attestationBlock(_old.shardId), block.number);
        vm.assertEq(ShardId.unwrap(registry.shardOf(_old.signer)), 0);
    }

    function test_rekey__again_and_renewed__acts_for_the_new_keys() external {
        _rekey(_new);
        _renew(_new);
        vm.roll(vm.getBlockNumber() + 2);
        Enclave memory third = _rebooted(_new, "entry after a second reboot");
        _rekey(third);
        vm.assertEq(registry.shard(_old.shardId).signer, third.signer);
        vm.prank(_old.host);
        registry.retire(_old.shardId);
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(_old.shardId);
        vm.assertEq(token.balanceOf(address(registry)), 0);
    }

    function test_rekey__evicted__comes_back() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        registry.evict(_old.shardId);
        _rekey(_new);
        vm.assertTrue(registry.isActive(_old.shardId));
        vm.assertEq(registry.signerRecord(_new.signer).leftAt, 0);
    }

    function test_L19_rekey__evicted_and_bond_withdrawn__reverts_until_it_is_whole_again() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        registry.evict(_old.shardId);
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(_old.shardId);
        RekeyParameters memory parameters = _rekeyParameters(_new);
        _assertRefused(
            parameters,
            _verifiedFor(parameters),
            abi.encodeWithSelector(IShardBonds.BondNotWhole.selector, _old.shardId, 0, BOND)
        );
        vm.prank(_old.host);
        registry.topUpBond(_old.shardId, BOND);
        _rekey(_new);
        vm.assertTrue(registry.isActive(_old.shardId));
    }

    /// @dev For any caller and any state: only the host of a shard that has not retired gets through, and the
    /// registry holds one bond for each shard, before and after.
    function testFuzz_rekey__any_caller_and_state__keeps_one_bond_per_shard(address caller, uint8 state) external {
        state = uint8(bounded(state, 0, 2));
        if (state == 1) {
            vm.warp(block.timestamp + ATTESTATION_PERIOD);
            registry.evict(_old.shardId);
        } else if (state == 2) {
            vm.prank(_old.host);
            registry.retire(_old.shardId);
        }
        RekeyParameters memory parameters = _rekeyParameters(_new);
        bytes memory quote = abi.encode(_verifiedFor(parameters));
        bool isAllowed = caller == _old.host && state != 2;
        vm.prank(caller);
        (bool succeeded,) = address(registry).call(abi.encodeCall(registry.rekey, (parameters, quote, PCK_ID)));
        vm.assertEq(succeeded, isAllowed);
        vm.assertEq(registry.shard(_old.shardId).signer, isAllowed ? _new.signer : _old.signer);
        vm.assertEq(registry.shard(_old.shardId).bond, BOND);
        vm.assertEq(token.balanceOf(address(registry)), BOND);
    }

    /* REFUSALS */

    function test_rekey__by_a_stranger__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.NotTheHost.selector, _old.shardId, _old.host, stranger));
        registry.rekey(parameters, "", PCK_ID);
    }

    function test_rekey__unknown_shard__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        parameters.shardId = ShardId.wrap(9);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.rekey(parameters, "", PCK_ID);
    }

    function test_rekey__keys_of_another_quote__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        parameters.kem = keccak256("a key that the host holds");
        Enclave memory claimed = _new;
        claimed.kem = parameters.kem;
        _assertMismatch(parameters, verified, claimed);
    }

    function test_rekey__quote_of_the_old_keys__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verified(registry.shard(_old.shardId).identityDigest, parameters.blockNumber);
        _assertMismatch(parameters, verified, _new);
    }

    function test_rekey__quote_of_another_range__reverts() external {
        Enclave memory other = _rebooted(_old, "another range");
        other.endLayer = 3;
        RekeyParameters memory parameters = _rekeyParameters(other);
        VerifiedQuote memory verified =
            _verified(_identityDigest(_enrolmentParameters(other), other.host), parameters.blockNumber);
        other.endLayer = 2;
        _assertMismatch(parameters, verified, other);
    }

    function test_rekey__quote_for_another_host__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified =
            _verified(_identityDigest(_enrolmentParameters(_new), stranger), parameters.blockNumber);
        _assertMismatch(parameters, verified, _new);
    }

    function test_rekey__replayed_quote__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        _rekeyWith(parameters, verified);
        // the same transaction again
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(
                IShardRegistry.RekeyQuoteNotNewer.selector, parameters.blockNumber, vm.getBlockNumber()
            )
        );
        parameters.blockNumber = vm.getBlockNumber() + 1;
        vm.roll(vm.getBlockNumber() + 9000);
        Enclave memory third = _rebooted(_new, "third");
        parameters.signer = third.signer;
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(
                IShardRegistry.BlockHashUnknown.selector, parameters.blockNumber, vm.getBlockNumber()
            )
        );
    }

    function test_rekey__signer_of_another_shard__reverts() external {
        Enclave memory other = _shard("other", 2, LAYERS, false);
        RekeyParameters memory parameters = _rekeyParameters(_new);
        parameters.signer = other.signer;
        _assertRefused(
            parameters,
            _verifiedFor(parameters),
            abi.encodeWithSelector(IShardRegistry.SignerAlreadyEnrolled.selector, other.signer, other.shardId)
        );
    }

    function test_rekey__withdrawn_measurement__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(IModelAdministration.MeasurementNotAllowed.selector, modelId, MEASUREMENT)
        );
    }

    function test_rekey__no_endpoint__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        parameters.endpoint = "";
        _assertRefused(
            parameters, verified, abi.encodeWithSelector(IShardRegistry.EndpointLengthInvalid.selector, 0, 255)
        );
    }

    function test_rekey__retired__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        vm.prank(_old.host);
        registry.retire(_old.shardId);
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(IShardRegistry.ShardNotRenewable.selector, parameters.shardId, ShardStatus.RETIRED)
        );
    }

    function test_rekey__replaced_by_another_shard_of_its_signer__reverts() external {
        RekeyParameters memory parameters = _rekeyParameters(_new);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        registry.evict(_old.shardId);
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(_old.shardId);
        Enclave memory second = _old;
        _enrol(second);
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(IShardRegistry.ShardNotRenewable.selector, parameters.shardId, ShardStatus.EVICTED)
        );
    }

    /* HELP */

    function _newIdentity() private returns (bytes32) {
        return _identityDigest(_enrolmentParameters(_new), _new.host);
    }

    function test_a3_rekey__quote_made_before_the_last_attestation__reverts() external {
        uint256 madeAt = _recentBlock();
        RekeyParameters memory back = RekeyParameters({
            shardId: _old.shardId,
            signer: _old.signer,
            kem: _old.kem,
            tls: _old.tls,
            endpoint: "rebooted.example.org:443",
            blockNumber: madeAt
        });
        VerifiedQuote memory verified = _verified(registry.shard(_old.shardId).identityDigest, madeAt);
        _rekey(_new);
        _assertRefused(
            back, verified, abi.encodeWithSelector(IShardRegistry.RekeyQuoteNotNewer.selector, madeAt, block.number)
        );
    }

    function _verifiedFor(RekeyParameters memory parameters) private returns (VerifiedQuote memory) {
        Enclave memory claimed = _new;
        claimed.signer = parameters.signer;
        return _verified(_identityDigest(_enrolmentParameters(claimed), claimed.host), parameters.blockNumber);
    }

    function _attestation(RekeyParameters memory parameters, VerifiedQuote memory verified)
        private
        returns (Attestation memory)
    {
        return Attestation({
            signer: _new.signer,
            kem: _new.kem,
            tls: _new.tls,
            sliceDigest: registry.sliceDigest(modelId, 0, 2, true),
            identityDigest: _newIdentity(),
            quoteHash: _nameOf(verified),
            claims: verified.claims,
            pckId: PCK_ID,
            tcbStatus: TcbStatus.UP_TO_DATE,
            evaluationNumber: 20,
            collateralUntil: 0,
            attestedUntil: uint32(block.timestamp + ATTESTATION_PERIOD),
            blockNumber: parameters.blockNumber,
            blockHash: blockhash(parameters.blockNumber),
            endpoint: parameters.endpoint
        });
    }

    function _rekeyWith(RekeyParameters memory parameters, VerifiedQuote memory verified) private {
        vm.prank(_old.host);
        registry.rekey(parameters, abi.encode(verified), PCK_ID);
    }

    function _assertMismatch(RekeyParameters memory parameters, VerifiedQuote memory verified, Enclave memory claimed)
        private
    {
        VerifiedQuote memory expected =
            _verified(_identityDigest(_enrolmentParameters(claimed), claimed.host), parameters.blockNumber);
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(
                IShardRegistry.ReportDataMismatch.selector, expected.reportDataLow, verified.reportDataLow
            )
        );
    }

    function _assertRefused(RekeyParameters memory parameters, VerifiedQuote memory verified, bytes memory expected)
        private
    {
        vm.prank(_old.host);
        vm.expectRevert(expected);
        registry.rekey(parameters, abi.encode(verified), PCK_ID);
    }
}
