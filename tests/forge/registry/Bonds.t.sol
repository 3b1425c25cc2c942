// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ShardRegistry} from "../../../contracts/ShardRegistry.sol";
import {IShardBonds} from "../../../contracts/interfaces/IShardBonds.sol";
import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {AcceptingVerifier} from "../../../contracts/mocks/AcceptingVerifier.sol";
import {ShardId} from "../../../contracts/types/Identifiers.sol";
import {EnrolmentParameters, ShardStatus} from "../../../contracts/types/Shard.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given an active shard with its bond when a penalty is due: it should go to the address that the escrow names, up to
/// the bond, and only at the escrow's call when the bond is no longer whole: the shard should not be active until it is
/// topped up when the shard has left: the bond should go to the payout address after the unbonding period, once Given a
/// host when its payout address is to change: only that address itself may do it
contract BondsTest is ShardFixture {
    Enclave private _enclaveAtHand;
    ShardId private _shardId;
    address private _payout;

    function setUp() public override {
        super.setUp();
        _enclaveAtHand = _shard("entry", 0, 2, true);
        _shardId = _enclaveAtHand.shardId;
        _payout = registry.payoutOf(_enclaveAtHand.host);
    }

    /* PENALTIES */

    function test_payPenalty__less_than_the_bond__pays_it() external {
        vm.expectEmit(address(registry));
        emit IShardBonds.PenaltyPaid(_shardId, 30 ether, 30 ether);
        vm.prank(address(escrow));
        vm.assertEq(registry.payPenalty(_shardId, 30 ether, stranger), 30 ether);
        vm.assertEq(token.balanceOf(stranger), 30 ether);
        vm.assertEq(registry.shard(_shardId).bond, BOND - 30 ether);
        vm.assertFalse(registry.isActive(_shardId));
    }

    function test_payPenalty__any_amount__pays_what_is_there(uint256 amount) external {
        uint256 expected = amount < BOND ? amount : BOND;
        vm.startPrank(address(escrow));
        vm.assertEq(registry.payPenalty(_shardId, amount, stranger), expected);
        vm.assertEq(registry.payPenalty(_shardId, type(uint256).max, stranger), BOND - expected);
        vm.assertEq(registry.payPenalty(_shardId, 1, stranger), 0);
        vm.assertEq(token.balanceOf(stranger), BOND);
    }

    function test_payPenalty__by_another_than_the_escrow__reverts() external {
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.NotTheEscrow.selector, admin, address(escrow)));
        registry.payPenalty(_shardId, 1, admin);
    }

    function test_bindEscrow__a_second_time__reverts() external {
        bytes memory call = abi.encodeCall(registry.bindEscrow, (stranger));
        vm.prank(admin);
        manager.schedule(address(registry), call, 0);
        vm.warp(block.timestamp + ADMIN_DELAY);
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.EscrowAlreadyBound.selector, address(escrow)));
        manager.execute(address(registry), call);
    }

    function test_bindEscrow__zero_address__reverts() external {
        ShardRegistry unbound = new ShardRegistry({
            authority: address(this),
            token: token,
            verifier: new AcceptingVerifier(),
            bond: BOND,
            attestationPeriod: ATTESTATION_PERIOD,
            unbondingPeriod: UNBONDING_PERIOD
        });
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ZeroEscrow.selector));
        unbound.bindEscrow(address(0));
        vm.expectEmit(address(unbound));
        emit IShardBonds.EscrowBound(stranger);
        unbound.bindEscrow(stranger);
        vm.assertEq(unbound.escrow(), stranger);
    }

    /// @dev This test replaces the AccessManager: any caller may call any function.
    function canCall(address, address, bytes4) external pure returns (bool immediate, uint32 delay) {
        return (true, 0);
    }

    function test_constructor__no_unbonding_period__reverts() external {
        AcceptingVerifier verifier = new AcceptingVerifier();
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.NoUnbondingPeriod.selector));
        new ShardRegistry(address(this), token, verifier, BOND, ATTESTATION_PERIOD, 0);
    }

    function test_constructor__no_attestation_period__reverts() external {
        AcceptingVerifier verifier = new AcceptingVerifier();
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.NoAttestationPeriod.selector));
        new ShardRegistry(address(this), token, verifier, BOND, 0, UNBONDING_PERIOD);
    }

    /* TOPPING UP */

    function test_topUpBond__after_a_penalty__makes_it_active_again() external {
        vm.prank(address(escrow));
        registry.payPenalty(_shardId, 30 ether, stranger);
        vm.expectEmit(address(registry));
        emit IShardBonds.BondToppedUp(_shardId, _enclaveAtHand.host, 30 ether, BOND);
        vm.prank(_enclaveAtHand.host);
        registry.topUpBond(_shardId, 30 ether);
        vm.assertTrue(registry.isActive(_shardId));
        vm.assertEq(token.balanceOf(address(registry)), BOND);
    }

    function test_topUpBond__nothing__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ZeroAmount.selector));
        registry.topUpBond(_shardId, 0);
    }

    function test_topUpBond__unknown_shard__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.topUpBond(ShardId.wrap(9), 1);
    }

    function test_topUpBond__retired__reverts() external {
        _retire();
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ShardNotActive.selector, _shardId, ShardStatus.RETIRED));
        registry.topUpBond(_shardId, 1);
    }

    /// @dev Evicted shards come back with a whole bond; tests/forge/registry/Renew.t.sol.
    function test_L19_topUpBond__evicted__adds_to_what_is_there_and_can_be_withdrawn_again() external {
        _evict();
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(_shardId);
        vm.prank(_enclaveAtHand.host);
        registry.topUpBond(_shardId, BOND);
        vm.assertEq(registry.shard(_shardId).bond, BOND);
        vm.assertFalse(registry.isActive(_shardId));
        registry.withdrawBond(_shardId);
        vm.assertEq(token.balanceOf(_payout), 2 * uint256(BOND));
        vm.assertEq(token.balanceOf(address(registry)), 0);
    }

    function test_L19_topUpBond__evicted_and_replaced_by_its_signers_next_shard__reverts() external {
        _evict();
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(_shardId);
        Enclave memory second = _enclaveAtHand;
        _enrol(second);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ShardNotActive.selector, _shardId, ShardStatus.EVICTED));
        registry.topUpBond(_shardId, 1);
    }

    /* LEAVING WITH IT */

    function test_withdrawBond__after_the_unbonding_period__pays_the_payout_address() external {
        _retire();
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        vm.expectEmit(address(registry));
        emit IShardBonds.BondWithdrawn(_shardId, _payout, BOND);
        vm.prank(stranger);
        registry.withdrawBond(_shardId);
        vm.assertEq(token.balanceOf(_payout), BOND);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.NothingBonded.selector, _shardId));
        registry.withdrawBond(_shardId);
    }

    function test_withdrawBond__one_second_too_soon__reverts() external {
        uint256 releasedAt = block.timestamp + UNBONDING_PERIOD;
        _retire();
        vm.warp(releasedAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.BondStillLocked.selector, _shardId, releasedAt));
        registry.withdrawBond(_shardId);
    }

    function test_withdrawBond__still_active__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.BondInUse.selector, _shardId));
        registry.withdrawBond(_shardId);
    }

    function test_withdrawBond__unknown_shard__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.UnknownShard.selector, 9));
        registry.withdrawBond(ShardId.wrap(9));
    }

    function test_withdrawBond__evicted__pays_after_the_same_period() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD + 1);
        registry.evict(_shardId);
        vm.warp(block.timestamp + UNBONDING_PERIOD);
        registry.withdrawBond(_shardId);
        vm.assertEq(token.balanceOf(_payout), BOND);
    }

    /* PAYOUT ADDRESS */

    function test_setPayout__by_the_payout_address__changes_it() external {
        vm.expectEmit(address(registry));
        emit IShardBonds.PayoutSet(_enclaveAtHand.host, stranger);
        vm.prank(_payout);
        registry.setPayout(_enclaveAtHand.host, stranger);
        vm.assertEq(registry.payoutOf(_enclaveAtHand.host), stranger);
    }

    function test_setPayout__by_the_host__reverts() external {
        address host = _enclaveAtHand.host;
        vm.prank(host);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.NotThePayout.selector, host, _payout, host));
        registry.setPayout(host, host);
    }

    function test_setPayout__zero_address__reverts() external {
        vm.prank(_payout);
        vm.expectRevert(abi.encodeWithSelector(IShardBonds.ZeroPayout.selector));
        registry.setPayout(_enclaveAtHand.host, address(0));
    }

    function test_L27_setPayout__contracts_that_would_keep_the_tokens__reverts() external {
        address[3] memory keepers = [address(registry), address(escrow), address(token)];
        for (uint256 i = 0; i < keepers.length; ++i) {
            vm.prank(_payout);
            vm.expectRevert(abi.encodeWithSelector(IShardBonds.PayoutRefused.selector, keepers[i]));
            registry.setPayout(_enclaveAtHand.host, keepers[i]);
        }
        vm.assertEq(registry.payoutOf(_enclaveAtHand.host), _payout);
    }

    function test_L27_enrol__first_payout_address_would_keep_the_tokens__reverts() external {
        Enclave memory enclave = _enclave("newcomer", 2, LAYERS, false);
        EnrolmentParameters memory parameters = _enrolmentParameters(enclave);
        bytes memory quote = _quote(parameters, enclave.host);
        address[3] memory keepers = [address(registry), address(escrow), address(token)];
        for (uint256 i = 0; i < keepers.length; ++i) {
            parameters.payout = keepers[i];
            bytes memory signature = _signedEnrolment(enclave, parameters);
            vm.prank(enclave.host);
            vm.expectRevert(abi.encodeWithSelector(IShardBonds.PayoutRefused.selector, keepers[i]));
            registry.enrol(parameters, quote, PCK_ID, signature);
        }
    }

    function _evict() private {
        vm.warp(block.timestamp + ATTESTATION_PERIOD + 1);
        registry.evict(_shardId);
    }

    function _retire() private {
        vm.prank(_enclaveAtHand.host);
        registry.retire(_shardId);
    }
}
