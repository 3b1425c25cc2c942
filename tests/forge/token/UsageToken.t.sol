// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {UsageToken} from "../../../contracts/UsageToken.sol";
import {IUsageToken} from "../../../contracts/interfaces/IUsageToken.sol";
import {TeeTeeSystem} from "../fixtures/TeeTeeSystem.sol";

/// Given a token with a faucet
///   when it is deployed: it should mint the cap to treasury and faucet, or refuse a reserve above the cap
///   when anyone claims: it should pay once per interval, until the reserve is used up
/// Given a token without a faucet
///   when anyone claims: it should revert with FaucetOff
/// Given a holder's signature
///   when it is a permit: anyone may submit it, once
///   when it is an authorization: the receiver may submit it, once, while it is valid
contract UsageTokenTest is TeeTeeSystem {
    address private _holder = vm.addr(keyOf("holder"));
    address private _spender = named("spender");

    function setUp() public override {
        super.setUp();
        _fund(_holder, 100 ether);
    }

    /* SUPPLY */

    function test_constructor__with_faucet__splits_the_cap() external view {
        vm.assertEq(token.totalSupply(), CAP);
        vm.assertEq(token.balanceOf(address(token)), FAUCET_RESERVE);
        vm.assertEq(token.balanceOf(treasury) + token.balanceOf(_holder), CAP - FAUCET_RESERVE);
        vm.assertEq(token.name(), "TeeTee");
        vm.assertEq(token.symbol(), "TEE");
        vm.assertEq(token.decimals(), 18);
    }

    function test_constructor__reserve_above_cap__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IUsageToken.FaucetReserveAboveCap.selector, 101, 100));
        new UsageToken(treasury, 100, 101, 1, 1);
    }

    /* FAUCET */

    function test_claim__first_time__pays_the_amount() external {
        vm.expectEmit(address(token));
        emit IUsageToken.FaucetClaimed(stranger, FAUCET_AMOUNT);
        vm.prank(stranger);
        token.claim();
        vm.assertEq(token.balanceOf(stranger), FAUCET_AMOUNT);
        vm.assertEq(token.nextClaimAt(stranger), block.timestamp + FAUCET_INTERVAL);
    }

    function test_claim__one_second_too_soon__reverts() external {
        uint256 next = block.timestamp + FAUCET_INTERVAL;
        vm.startPrank(stranger);
        token.claim();
        vm.warp(next - 1);
        vm.expectRevert(abi.encodeWithSelector(IUsageToken.FaucetTooSoon.selector, stranger, next));
        token.claim();
        vm.warp(next);
        token.claim();
        vm.assertEq(token.balanceOf(stranger), 2 * FAUCET_AMOUNT);
    }

    function test_claim__another_account_claimed__pays() external {
        vm.prank(_holder);
        token.claim();
        vm.prank(stranger);
        token.claim();
        vm.assertEq(token.balanceOf(stranger), FAUCET_AMOUNT);
    }

    function test_claim__less_left_than_one_claim__reverts() external {
        UsageToken small = new UsageToken(treasury, 100, 15, 10, 1 days);
        vm.prank(_holder);
        small.claim();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IUsageToken.FaucetEmpty.selector, 5));
        small.claim();
    }

    function test_claim__no_amount__reverts() external {
        UsageToken without = new UsageToken(treasury, 100, 0, 0, 1 days);
        vm.expectRevert(abi.encodeWithSelector(IUsageToken.FaucetOff.selector));
        without.claim();
    }

    function test_claim__no_interval__reverts() external {
        UsageToken without = new UsageToken(treasury, 100, 50, 10, 0);
        vm.expectRevert(abi.encodeWithSelector(IUsageToken.FaucetOff.selector));
        without.claim();
    }

    /* SIGNATURES */

    function test_permit__signed_by_holder__sets_the_token_allowance() external {
        (uint8 v, bytes32 r, bytes32 s) = _signedPermit(70 ether);
        vm.prank(stranger);
        token.permit(_holder, _spender, 70 ether, block.timestamp, v, r, s);
        vm.assertEq(token.allowance(_holder, _spender), 70 ether);
    }

    function test_permit__after_its_deadline__reverts() external {
        (uint8 v, bytes32 r, bytes32 s) = _signedPermit(70 ether);
        uint256 deadline = block.timestamp;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSignature("ERC2612ExpiredSignature(uint256)", deadline));
        token.permit(_holder, _spender, 70 ether, deadline, v, r, s);
    }

    function test_receiveWithAuthorization__brought_by_receiver__pays_once() external {
        bytes32 nonce = keccak256("nonce");
        (uint8 v, bytes32 r, bytes32 s) = _signedAuthorization(nonce);
        uint256 before = block.timestamp + 1;
        vm.startPrank(_spender);
        token.receiveWithAuthorization(_holder, _spender, 30 ether, 0, before, nonce, v, r, s);
        vm.assertEq(token.balanceOf(_spender), 30 ether);
        vm.assertTrue(token.authorizationState(_holder, nonce));
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, _holder, nonce));
        token.receiveWithAuthorization(_holder, _spender, 30 ether, 0, before, nonce, v, r, s);
    }

    function test_receiveWithAuthorization__brought_by_another__reverts() external {
        bytes32 nonce = keccak256("nonce");
        (uint8 v, bytes32 r, bytes32 s) = _signedAuthorization(nonce);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, _spender));
        token.receiveWithAuthorization(_holder, _spender, 30 ether, 0, block.timestamp + 1, nonce, v, r, s);
    }

    function _signedPermit(uint256 value) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        return
            _signed(keccak256(abi.encode(typeHash, _holder, _spender, value, token.nonces(_holder), block.timestamp)));
    }

    function _signedAuthorization(bytes32 nonce) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        return _signed(keccak256(abi.encode(typeHash, _holder, _spender, 30 ether, 0, block.timestamp + 1, nonce)));
    }

    function _signed(bytes32 structHash) private view returns (uint8 v, bytes32 r, bytes32 s) {
        return vm.sign(keyOf("holder"), keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }
}
