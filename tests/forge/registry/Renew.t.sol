// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {ShardId} from "../../../contracts/types/Identifiers.sol";
import {Attestation, RenewalParameters, Shard, ShardStatus} from "../../../contracts/types/Shard.sol";
import {TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given an enrolled shard
///   when its host shows a fresh quote of the same enclave: it should be attested for another period
///   when the shard was evicted: it should be active again, with a whole bond only
///   when another account calls, the keys differ, the quote is of another identity, or the shard has retired or was
///   replaced: it should be refused by name
contract RenewTest is ShardFixture {
    Enclave private _enclaveAtHand;
    uint256 private _enrolledAtBlock;

    function setUp() public override {
        super.setUp();
        _enclaveAtHand = _shard("entry", 0, 2, true);
        _enrolledAtBlock = block.number;
        vm.roll(block.number + 100);
        vm.warp(block.timestamp + 10 days);
    }

    function test_renew__fresh_quote__extends_the_attestation() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        Shard memory enrolled = registry.shard(_enclaveAtHand.shardId);
        vm.expectEmit(address(registry));
        emit IShardRegistry.ShardRenewed(
            _enclaveAtHand.shardId,
            modelId,
            _enclaveAtHand.host,
            _attestation(parameters, verified),
            abi.encode(verified)
        );
        _renewWith(parameters, verified);
        Shard memory renewed = registry.shard(_enclaveAtHand.shardId);
        vm.assertEq(renewed.attestedUntil, block.timestamp + ATTESTATION_PERIOD);
        vm.assertEq(renewed.quoteHash, _nameOf(verified));
        vm.assertTrue(renewed.quoteHash != enrolled.quoteHash);
        vm.assertEq(renewed.identityDigest, enrolled.identityDigest);
        vm.assertEq(registry.enrolmentBlock(_enclaveAtHand.shardId), _enrolledAtBlock);
        vm.assertEq(registry.attestationBlock(_enclaveAtHand.shardId), block.number);
    }

    function _attestation(RenewalParameters memory parameters, VerifiedQuote memory verified)
        private
        view
        returns (Attestation memory)
    {
        return Attestation({
            signer: _enclaveAtHand.signer,
            kem: _enclaveAtHand.kem,
            tls: _enclaveAtHand.tls,
            sliceDigest: registry.sliceDigest(modelId, 0, 2, true),
            identityDigest: registry.shard(_enclaveAtHand.shardId).identityDigest,
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

    function test_renew__expired_but_not_evicted__is_active_again() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        vm.assertFalse(registry.isActive(_enclaveAtHand.shardId));
        _renew(_enclaveAtHand);
        vm.assertTrue(registry.isActive(_enclaveAtHand.shardId));
    }

    function test_renew__evicted__comes_back() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        registry.evict(_enclaveAtHand.shardId);
        _renew(_enclaveAtHand);
        vm.assertTrue(registry.isActive(_enclaveAtHand.shardId));
        vm.assertEq(registry.signerRecord(_enclaveAtHand.signer).leftAt, 0);
    }

    function test_L19_renew__evicted_and_bond_withdrawn__reverts_until_it_is_whole_again() external {
        ShardId shardId = _enclaveAtHand.shardId;
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        registry.evict(shardId);
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(shardId);
        _assertBondNotWhole(0);
        vm.prank(_enclaveAtHand.host);
        registry.topUpBond(shardId, BOND - 1);
        _assertBondNotWhole(BOND - 1);
        vm.prank(_enclaveAtHand.host);
        registry.topUpBond(shardId, 1);
        _renew(_enclaveAtHand);
        vm.assertTrue(registry.isActive(shardId));
        vm.assertEq(token.balanceOf(address(registry)), BOND);
    }

    function test_L19_renew__evicted_after_a_penalty__reverts_until_it_is_topped_up() external {
        ShardId shardId = _enclaveAtHand.shardId;
        vm.prank(address(escrow));
        registry.payPenalty(shardId, 1, stranger);
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        registry.evict(shardId);
        _assertBondNotWhole(BOND - 1);
        vm.prank(_enclaveAtHand.host);
        registry.topUpBond(shardId, 1);
        _renew(_enclaveAtHand);
        vm.assertTrue(registry.isActive(shardId));
    }

    /// @dev Otherwise one penalty would end an attestation for which other requests are open.
    function test_L19_renew__enrolled_with_a_bond_that_a_penalty_reduced__extends_the_attestation() external {
        ShardId shardId = _enclaveAtHand.shardId;
        vm.prank(address(escrow));
        registry.payPenalty(shardId, BOND, stranger);
        vm.warp(block.timestamp + ATTESTATION_PERIOD); // expired, not evicted
        _renew(_enclaveAtHand);
        vm.assertTrue(registry.stage(shardId).isAttested);
        vm.assertFalse(registry.isActive(shardId));
    }

    function test_renew__another_allowed_measurement__is_remembered() external {
        bytes32 newer = keccak256("newer image");
        _afterNotice(noticeGiver, address(registry), abi.encodeCall(registry.allowMeasurement, (modelId, newer)));
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        verified.claims.measurement = newer;
        _renewWith(parameters, verified);
        vm.assertEq(registry.measurementOf(_enclaveAtHand.shardId), newer);
    }

    /* REFUSALS */

    function test_renew__by_a_stranger__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(
                IShardRegistry.NotTheHost.selector, _enclaveAtHand.shardId, _enclaveAtHand.host, stranger
            )
        );
        registry.renew(parameters, "", PCK_ID);
    }

    function test_renew__unknown_shard__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        parameters.shardId = ShardId.wrap(9);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.renew(parameters, "", PCK_ID);
    }

    function test_renew__other_keys__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        parameters.kem = keccak256("another key");
        bytes32 enrolled = registry.shard(_enclaveAtHand.shardId).identityDigest;
        Enclave memory other = _enclaveAtHand;
        other.kem = parameters.kem;
        bytes32 given = _identityDigest(_enrolmentParameters(other), other.host);
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(IShardRegistry.IdentityMismatch.selector, _enclaveAtHand.shardId, enrolled, given)
        );
    }

    function test_renew__quote_of_another_block__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        bytes32 expected = verified.reportDataLow;
        verified.reportDataLow = keccak256("another time");
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(IShardRegistry.ReportDataMismatch.selector, expected, verified.reportDataLow)
        );
    }

    function test_renew__withdrawn_measurement__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(IModelAdministration.MeasurementNotAllowed.selector, modelId, MEASUREMENT)
        );
    }

    function test_renew__no_endpoint__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        parameters.endpoint = "";
        _assertRefused(
            parameters, verified, abi.encodeWithSelector(IShardRegistry.EndpointLengthInvalid.selector, 0, 255)
        );
    }

    function test_renew__retired__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        vm.prank(_enclaveAtHand.host);
        registry.retire(_enclaveAtHand.shardId);
        _assertNotRenewable(parameters, verified, ShardStatus.RETIRED);
    }

    function test_renew__replaced_by_another_shard_of_its_signer__reverts() external {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        VerifiedQuote memory verified = _verifiedFor(parameters);
        vm.warp(block.timestamp + ATTESTATION_PERIOD);
        registry.evict(_enclaveAtHand.shardId);
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(_enclaveAtHand.shardId);
        Enclave memory second = _enclaveAtHand;
        _enrol(second);
        _assertNotRenewable(parameters, verified, ShardStatus.EVICTED);
    }

    function _assertBondNotWhole(uint256 bond) private {
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        _assertRefused(
            parameters,
            _verifiedFor(parameters),
            abi.encodeWithSelector(IShardBonds.BondNotWhole.selector, _enclaveAtHand.shardId, bond, BOND)
        );
    }

    function _assertNotRenewable(
        RenewalParameters memory parameters,
        VerifiedQuote memory verified,
        ShardStatus status
    ) private {
        _assertRefused(
            parameters,
            verified,
            abi.encodeWithSelector(IShardRegistry.ShardNotRenewable.selector, parameters.shardId, status)
        );
    }

    function _verifiedFor(RenewalParameters memory parameters) private view returns (VerifiedQuote memory) {
        return _verified(registry.shard(parameters.shardId).identityDigest, parameters.blockNumber);
    }

    function _renewWith(RenewalParameters memory parameters, VerifiedQuote memory verified) private {
        vm.prank(_enclaveAtHand.host);
        registry.renew(parameters, abi.encode(verified), PCK_ID);
    }

    function _assertRefused(RenewalParameters memory parameters, VerifiedQuote memory verified, bytes memory expected)
        private
    {
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(expected);
        registry.renew(parameters, abi.encode(verified), PCK_ID);
    }
}
