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
///   when anyone else does, or too late, or after the end: it should be refused
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
        escrow.decline(_requestId, DeclineReason.UNREADABLE);
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.DECLINED);
        vm.assertEq(_creditOf(requester), DEPOSIT);
        vm.assertEq(registry.shard(entry.shardId).bond, BOND);
    }

    function test_decline__by_the_second_in_its_turn__gives_everything_back() external {
        uint256 turn = block.timestamp + WINDOW / 2;
        vm.assertEq(escrow.takeoverAt(_requestId, 1), turn);
        vm.warp(turn);
        vm.prank(_second.signer);
        escrow.decline(_requestId, DeclineReason.NO_PATH);
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

    function test_decline__settled__reverts() external {
        escrow.settle(_settlement(_requestId));
        _assertRefused(
            entry.signer,
            abi.encodeWithSelector(IInferenceEscrow.RequestNotOpen.selector, _requestId, RequestStatus.SETTLED)
        );
    }

    function test_decline__unknown_request__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.UnknownRequest.selector, 9));
        escrow.decline(RequestId.wrap(9), DeclineReason.STOPPING);
    }

    function _assertRefused(address sender, bytes memory expected) private {
        vm.prank(sender);
        vm.expectRevert(expected);
        escrow.decline(_requestId, DeclineReason.STOPPING);
    }
}
