// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {DeclineReason, RequestStatus} from "../../../contracts/types/Request.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
import {Enclave} from "../fixtures/ShardFixture.sol";

/// Given an open request to two recipients
///   when the primary declines: the requester should get everything back, without a penalty
///   when the second declines: it should have to wait for its takeover time
///   when anyone else does, or too late: it should be refused
///   when it has ended: nothing should change
/// Given several requests
///   when a recipient declines them at once: those still open should end, each once
contract DeclineTest is RequestFixture {
    Enclave private _second;
    RequestId private _requestId;

    function setUp() public override {
        super.setUp();
        _second = _shard("second entry", 0, 2, true);
        vm.prank(requester);
        _requestId = escrow.request(_withRecipients(entry.shardId, _second.shardId));
    }

    function test_decline__by_the_primary__gives_everything_back() external {
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.RequestDeclined(_requestId, entry.shardId, DeclineReason.UNREADABLE, DEPOSIT);
        vm.prank(entry.signer);
        escrow.decline(_only(_requestId), DeclineReason.UNREADABLE);
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.DECLINED);
        vm.assertEq(_creditOf(requester), DEPOSIT);
        vm.assertEq(registry.shard(entry.shardId).bond, BOND);
    }

    function test_decline__by_the_second_in_its_turn__gives_everything_back() external {
        uint256 turn = block.timestamp + WINDOW / 2;
        vm.assertEq(escrow.takeoverAt(_requestId, 1), turn);
        vm.warp(turn);
        vm.prank(_second.signer);
        escrow.decline(_only(_requestId), DeclineReason.NO_PATH);
        vm.assertEq(_creditOf(requester), DEPOSIT);
    }

    function test_decline__by_the_second_too_early__reverts() external {
        uint256 turn = block.timestamp + WINDOW / 2;
        vm.warp(turn - 1);
        _assertRefused(
            _second.signer, abi.encodeWithSelector(IInferenceEscrow.DeclineTooEarly.selector, _requestId, turn)
        );
    }

    function test_decline__by_a_shard_that_was_not_asked__reverts() external {
        _assertRefused(
            last.signer,
            abi.encodeWithSelector(IInferenceEscrow.NotARecipientsSigner.selector, _requestId, last.signer)
        );
    }

    function test_decline__by_the_host__reverts() external {
        _assertRefused(
            entry.host, abi.encodeWithSelector(IInferenceEscrow.NotARecipientsSigner.selector, _requestId, entry.host)
        );
    }

    function test_decline__after_the_deadline__reverts() external {
        uint256 deadline = block.timestamp + WINDOW;
        vm.warp(deadline + 1);
        _assertRefused(
            entry.signer, abi.encodeWithSelector(IInferenceEscrow.DeclineTooLate.selector, _requestId, deadline)
        );
    }

    function test_decline__settled__changes_nothing() external {
        escrow.settle(_settlement(_requestId));
        uint256 credit = _creditOf(requester);
        vm.prank(entry.signer);
        escrow.decline(_only(_requestId), DeclineReason.STOPPING);
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.SETTLED);
        vm.assertEq(_creditOf(requester), credit);
    }

    function test_decline__several_of_which_one_ended__declines_the_others() external {
        RequestId[] memory requestIds = new RequestId[](3);
        requestIds[0] = _requestId;
        requestIds[1] = _open();
        requestIds[2] = _open();
        escrow.settle(_settlement(requestIds[1]));
        vm.prank(entry.signer);
        escrow.decline(requestIds, DeclineReason.OVERLOADED);
        vm.assertTrue(escrow.requestOf(requestIds[0]).status == RequestStatus.DECLINED);
        vm.assertTrue(escrow.requestOf(requestIds[1]).status == RequestStatus.SETTLED);
        vm.assertTrue(escrow.requestOf(requestIds[2]).status == RequestStatus.DECLINED);
    }

    function test_decline__twice_in_one_call__gives_back_once() external {
        RequestId[] memory requestIds = new RequestId[](2);
        requestIds[0] = requestIds[1] = _requestId;
        vm.prank(entry.signer);
        escrow.decline(requestIds, DeclineReason.OVERLOADED);
        vm.assertEq(_creditOf(requester), DEPOSIT);
    }

    function test_decline__one_of_several_is_of_others__reverts_all() external {
        RequestId[] memory requestIds = new RequestId[](2);
        requestIds[0] = _requestId;
        requestIds[1] = _open();
        vm.warp(block.timestamp + WINDOW / 2);
        vm.prank(_second.signer);
        vm.expectRevert(
            abi.encodeWithSelector(IInferenceEscrow.NotARecipientsSigner.selector, requestIds[1], _second.signer)
        );
        escrow.decline(requestIds, DeclineReason.OVERLOADED);
    }

    function test_decline__unknown_request__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.UnknownRequest.selector, 9));
        escrow.decline(_only(RequestId.wrap(9)), DeclineReason.STOPPING);
    }

    function _assertRefused(address sender, bytes memory expected) private {
        vm.prank(sender);
        vm.expectRevert(expected);
        escrow.decline(_only(_requestId), DeclineReason.STOPPING);
    }
}
