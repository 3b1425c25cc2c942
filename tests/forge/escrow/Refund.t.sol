// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {DeclineReason, RequestStatus} from "../../../contracts/types/Request.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given an open request
///   when its deadline has passed: anyone should be able to refund everything, with the penalty from the primary's
///   bond, or with what remains of it, also while requests are paused and the primary has left
///   when it has not, or the request has ended: it should be refused
contract RefundTest is RequestFixture {
    RequestId private _requestId;

    function setUp() public override {
        super.setUp();
        _requestId = _open();
    }

    function test_refund__after_the_deadline__gives_everything_back_with_the_penalty() external {
        _passDeadline();
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.RequestRefunded(_requestId, requester, DEPOSIT, PENALTY);
        vm.prank(stranger);
        escrow.refund(_requestId);
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.REFUNDED);
        vm.assertEq(_creditOf(requester), DEPOSIT + PENALTY);
        vm.assertEq(registry.shard(entry.shardId).bond, BOND - PENALTY);
        vm.assertEq(token.balanceOf(address(escrow)), DEPOSIT + PENALTY);
        vm.assertFalse(registry.isActive(entry.shardId));
    }

    function test_refund__bond_nearly_used_up__pays_what_remains() external {
        vm.prank(address(escrow));
        registry.payPenalty(entry.shardId, BOND - 3, stranger);
        _passDeadline();
        escrow.refund(_requestId);
        vm.assertEq(_creditOf(requester), DEPOSIT + 3);
    }

    function test_refund__primary_left__still_pays_the_penalty() external {
        vm.prank(entry.host);
        registry.retire(entry.shardId);
        _passDeadline();
        escrow.refund(_requestId);
        vm.assertEq(_creditOf(requester), DEPOSIT + PENALTY);
    }

    function test_refund__paused__gives_everything_back() external {
        vm.prank(guardian);
        escrow.pauseRequests();
        _passDeadline();
        escrow.refund(_requestId);
        vm.assertEq(_creditOf(requester), DEPOSIT + PENALTY);
    }

    function test_refund__registry_closed_by_the_admin__gives_everything_back() external {
        bytes memory call = abi.encodeCall(manager.setTargetClosed, (address(registry), true));
        vm.prank(admin);
        manager.schedule(address(manager), call, 0);
        vm.warp(block.timestamp + ADMIN_DELAY);
        vm.prank(admin);
        manager.execute(address(manager), call);
        escrow.refund(_requestId);
        vm.assertEq(_creditOf(requester), DEPOSIT + PENALTY);
    }

    function test_refund__at_the_deadline__reverts() external {
        uint256 deadline = block.timestamp + WINDOW;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.RefundTooEarly.selector, _requestId, deadline));
        escrow.refund(_requestId);
    }

    function test_refund__settled__reverts() external {
        escrow.settle(_settlement(_requestId));
        _assertEnded(RequestStatus.SETTLED);
    }

    function test_refund__declined__reverts() external {
        vm.prank(entry.signer);
        escrow.decline(_only(_requestId), DeclineReason.INVALID);
        _assertEnded(RequestStatus.DECLINED);
    }

    function test_refund__twice__reverts() external {
        _passDeadline();
        escrow.refund(_requestId);
        _assertEnded(RequestStatus.REFUNDED);
    }

    function test_refund__unknown_request__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.UnknownRequest.selector, 9));
        escrow.refund(RequestId.wrap(9));
    }

    function _assertEnded(RequestStatus status) private {
        _passDeadline();
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.RequestNotOpen.selector, _requestId, status));
        escrow.refund(_requestId);
    }

    function _passDeadline() private {
        vm.warp(vm.getBlockTimestamp() + WINDOW + 1);
    }
}
