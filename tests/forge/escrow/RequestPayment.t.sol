// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {IEscrowAccounts} from "../../../contracts/interfaces/IEscrowAccounts.sol";
import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {Authorization, Permit, RequestParameters} from "../../../contracts/types/Request.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given a requester without a token allowance
///   when it sends a permit along: the request should open, also if the permit was submitted before
///   when its permit is invalid: the missing token allowance should be named
///   when anyone submits its authorization for exactly this request: the request should be the requester's
///   when the request was changed, or the authorization used before: it should be refused
contract RequestPaymentTest is RequestFixture {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 private constant AUTHORIZATION_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    function setUp() public override {
        super.setUp();
        vm.prank(requester);
        token.approve(address(escrow), 0);
    }

    /* PERMIT */

    function test_requestWithPermit__fresh__opens_and_takes_the_deposit() external {
        Permit memory permit = _permit(DEPOSIT);
        vm.prank(requester);
        escrow.requestWithPermit(_parameters(), permit);
        vm.assertEq(token.balanceOf(address(escrow)), DEPOSIT);
        vm.assertEq(token.allowance(requester, address(escrow)), 0);
    }

    function test_requestWithPermit__used_up_by_another__opens_all_the_same() external {
        Permit memory permit = _permit(DEPOSIT);
        vm.prank(stranger);
        token.permit({
            owner: requester,
            spender: address(escrow),
            value: permit.value,
            deadline: permit.deadline,
            v: permit.v,
            r: permit.r,
            s: permit.s
        });
        vm.prank(requester);
        escrow.requestWithPermit(_parameters(), permit);
        vm.assertEq(token.balanceOf(address(escrow)), DEPOSIT);
    }

    function test_requestWithPermit__invalid_and_no_token_allowance__reverts() external {
        Permit memory permit = _permit(DEPOSIT);
        permit.value += 1;
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.TokenAllowanceTooLow.selector, requester, 0, DEPOSIT));
        escrow.requestWithPermit(_parameters(), permit);
    }

    function test_requestWithPermit__brought_by_another__takes_nothing_from_the_signer() external {
        Permit memory permit = _permit(DEPOSIT);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.TokenAllowanceTooLow.selector, stranger, 0, DEPOSIT));
        escrow.requestWithPermit(_parameters(), permit);
    }

    /* AUTHORIZATION */

    function test_requestWithAuthorization__brought_by_anyone__opens_in_the_signers_name() external {
        RequestParameters memory parameters = _parameters();
        Authorization memory authorization = _authorization(parameters, DEPOSIT);
        vm.prank(stranger);
        RequestId requestId = escrow.requestWithAuthorization(parameters, authorization);
        vm.assertEq(escrow.requestOf(requestId).requester, requester);
        vm.assertEq(token.balanceOf(address(escrow)), DEPOSIT);
        vm.assertEq(_creditOf(requester), 0);
    }

    function test_requestWithAuthorization__above_the_deposit__credits_the_surplus() external {
        RequestParameters memory parameters = _parameters();
        Authorization memory authorization = _authorization(parameters, DEPOSIT + 7);
        vm.expectEmit(address(escrow));
        emit IEscrowAccounts.SurplusCredited(requester, 7);
        escrow.requestWithAuthorization(parameters, authorization);
        vm.assertEq(_creditOf(requester), 7);
        vm.assertEq(token.balanceOf(address(escrow)), DEPOSIT + 7);
    }

    function test_requestWithAuthorization__below_the_deposit__reverts() external {
        RequestParameters memory parameters = _parameters();
        Authorization memory authorization = _authorization(parameters, DEPOSIT - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceEscrow.AuthorizationTooLow.selector, requester, DEPOSIT - 1, DEPOSIT)
        );
        escrow.requestWithAuthorization(parameters, authorization);
    }

    function test_requestWithAuthorization__credit_makes_up_for_it__opens() external {
        RequestParameters memory parameters = _parameters();
        escrow.requestWithAuthorization(parameters, _authorization(parameters, DEPOSIT + 7));
        parameters.clientNonce = keccak256("next");
        escrow.requestWithAuthorization(parameters, _authorization(parameters, DEPOSIT - 6));
        vm.assertEq(_creditOf(requester), 1); // one wei keeps the slot
        vm.assertEq(token.balanceOf(address(escrow)), 2 * uint256(DEPOSIT) + 1);
    }

    function test_requestWithAuthorization__of_another_request__reverts() external {
        RequestParameters memory parameters = _parameters();
        Authorization memory authorization = _authorization(parameters, DEPOSIT);
        parameters.envelope = "another envelope";
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009InvalidSignature.selector));
        escrow.requestWithAuthorization(parameters, authorization);
    }

    function test_requestWithAuthorization__twice__reverts() external {
        RequestParameters memory parameters = _parameters();
        Authorization memory authorization = _authorization(parameters, DEPOSIT);
        escrow.requestWithAuthorization(parameters, authorization);
        bytes32 nonce = escrow.authorizationNonce(requester, parameters);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, requester, nonce));
        escrow.requestWithAuthorization(parameters, authorization);
    }

    function test_authorizationNonce__any_field_changed__differs() external {
        RequestParameters memory parameters = _parameters();
        bytes32 nonce = escrow.authorizationNonce(requester, parameters);
        vm.assertTrue(nonce != escrow.authorizationNonce(stranger, parameters));
        parameters.maxDeposit += 1;
        bytes32 next = escrow.authorizationNonce(requester, parameters);
        vm.assertTrue(nonce != next);
        parameters.recipients = _two(entry.shardId, last.shardId);
        vm.assertTrue(next != escrow.authorizationNonce(requester, parameters));
        next = escrow.authorizationNonce(requester, parameters);
        vm.chainId(1);
        vm.assertTrue(next != escrow.authorizationNonce(requester, parameters));
    }

    /* HELP */

    function _permit(uint256 value) private view returns (Permit memory permit) {
        permit.value = value;
        permit.deadline = block.timestamp;
        bytes32 structHash =
            keccak256(abi.encode(PERMIT_TYPEHASH, requester, escrow, value, token.nonces(requester), permit.deadline));
        (permit.v, permit.r, permit.s) = _signed(structHash);
    }

    function _authorization(RequestParameters memory parameters, uint256 value)
        private
        view
        returns (Authorization memory authorization)
    {
        authorization.from = requester;
        authorization.value = value;
        authorization.validBefore = block.timestamp + 1;
        bytes32 nonce = escrow.authorizationNonce(requester, parameters);
        bytes32 structHash = keccak256(
            abi.encode(AUTHORIZATION_TYPEHASH, requester, escrow, value, 0, authorization.validBefore, nonce)
        );
        (authorization.v, authorization.r, authorization.s) = _signed(structHash);
    }

    function _signed(bytes32 structHash) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        return vm.sign(keyOf("requester"), digest);
    }
}
