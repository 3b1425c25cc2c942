// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InferenceEscrow} from "../../../contracts/InferenceEscrow.sol";
import {ShardRegistry} from "../../../contracts/ShardRegistry.sol";
import {UsageToken} from "../../../contracts/UsageToken.sol";
import {EscrowParameters} from "../../../contracts/escrow/ImmutableParameters.sol";
import {IEscrowParameters} from "../../../contracts/interfaces/IEscrowParameters.sol";
import {TeeTeeSystem} from "../fixtures/TeeTeeSystem.sol";

/// Given the terms of an escrow
///   when they are valid: its getters should return them, and it should start paused
///   when one of them is invalid: it should be refused by name
contract EscrowConstructionTest is TeeTeeSystem {
    function test_constructor__sane_terms__shows_them() external {
        InferenceEscrow fresh = new InferenceEscrow(address(manager), _terms());
        vm.assertEq(address(fresh.TOKEN()), address(token));
        vm.assertEq(address(fresh.REGISTRY()), address(registry));
        vm.assertEq(fresh.TREASURY(), treasury);
        vm.assertEq(fresh.FEE_BPS(), FEE_BPS);
        vm.assertEq(fresh.PENALTY(), PENALTY);
        vm.assertEq(fresh.MIN_WINDOW(), MIN_WINDOW);
        vm.assertEq(fresh.MAX_WINDOW(), MAX_WINDOW);
        vm.assertEq(fresh.MAX_ENVELOPE_BYTES(), MAX_ENVELOPE_BYTES);
        vm.assertEq(fresh.DAILY_TOKENS(), DAILY_TOKENS);
        vm.assertEq(fresh.SERVED_BPS(), SERVED_BPS);
        vm.assertEq(fresh.MAX_DAILY_TOKENS(), MAX_DAILY_TOKENS);
        vm.assertTrue(fresh.areRequestsPaused());
    }

    function test_constructor__no_treasury__reverts() external {
        EscrowParameters memory terms = _terms();
        terms.treasury = address(0);
        _assertRefused(terms, abi.encodeWithSelector(IEscrowParameters.ZeroAddress.selector));
    }

    function test_constructor__fee_too_high__reverts() external {
        EscrowParameters memory terms = _terms();
        terms.feeBps = 3001;
        _assertRefused(terms, abi.encodeWithSelector(IEscrowParameters.FeeTooHigh.selector, 3001, 3000));
    }

    function test_constructor__no_shortest_window__reverts() external {
        EscrowParameters memory terms = _terms();
        terms.minWindow = 0;
        _assertRefused(terms, abi.encodeWithSelector(IEscrowParameters.WindowsInvalid.selector, 0, MAX_WINDOW));
    }

    function test_constructor__shortest_window_above_longest__reverts() external {
        EscrowParameters memory terms = _terms();
        terms.minWindow = MAX_WINDOW + 1;
        _assertRefused(
            terms, abi.encodeWithSelector(IEscrowParameters.WindowsInvalid.selector, MAX_WINDOW + 1, MAX_WINDOW)
        );
    }

    function test_constructor__bonds_released_within_a_window__reverts() external {
        EscrowParameters memory terms = _terms();
        terms.registry = new ShardRegistry(address(manager), token, _verifier(), BOND, 1 days, MAX_WINDOW);
        _assertRefused(
            terms, abi.encodeWithSelector(IEscrowParameters.UnbondingTooShort.selector, MAX_WINDOW, MAX_WINDOW)
        );
    }

    function test_constructor__bonds_in_another_token__reverts() external {
        EscrowParameters memory terms = _terms();
        UsageToken other = new UsageToken(treasury, CAP, 0, 0, 0);
        terms.token = other;
        _assertRefused(
            terms, abi.encodeWithSelector(IEscrowParameters.OtherToken.selector, address(other), address(token))
        );
    }

    function test_constructor__supply_beyond_a_credit__reverts() external {
        EscrowParameters memory terms = _terms();
        uint256 supply = uint256(type(uint96).max) + 1;
        UsageToken huge = new UsageToken(treasury, supply, 0, 0, 0);
        terms.token = huge;
        terms.registry =
            new ShardRegistry(address(manager), huge, _verifier(), BOND, ATTESTATION_PERIOD, UNBONDING_PERIOD);
        _assertRefused(
            terms, abi.encodeWithSelector(IEscrowParameters.SupplyTooLarge.selector, supply, type(uint96).max)
        );
    }

    function _assertRefused(EscrowParameters memory terms, bytes memory expected) private {
        vm.expectRevert(expected);
        new InferenceEscrow(address(manager), terms);
    }
}
