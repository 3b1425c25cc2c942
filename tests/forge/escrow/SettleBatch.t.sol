// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {RequestStatus} from "../../../contracts/types/Request.sol";
import {SettlementParameters} from "../../../contracts/types/Settlement.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given settlements of several requests
///   when all are open: each should be settled
///   when one has ended or its deadline has passed: it should be skipped, and the others settled
///   when one is wrong: none should be settled
contract SettleBatchTest is RequestFixture {
    SettlementParameters[] private _none;

    function test_settleBatch__all_open__settles_each() external {
        SettlementParameters[] memory batch = _batch(5);
        escrow.settleBatch(batch);
        for (uint256 i = 1; i <= 5; ++i) {
            _assertStatus(i, RequestStatus.SETTLED);
        }
        vm.assertEq(escrow.accountOf(last.host).servedLayerTokens, 5 * 4 * uint256(INPUT_TOKENS + OUTPUT_TOKENS));
    }

    function test_settleBatch__one_settled_before__skips_it() external {
        SettlementParameters[] memory batch = _batch(3);
        escrow.settle(batch[1]);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.SettlementSkipped(RequestId.wrap(2), RequestStatus.SETTLED);
        escrow.settleBatch(batch);
        _assertStatus(1, RequestStatus.SETTLED);
        _assertStatus(3, RequestStatus.SETTLED);
        vm.assertEq(escrow.accountOf(last.host).servedLayerTokens, 3 * 4 * uint256(INPUT_TOKENS + OUTPUT_TOKENS));
    }

    function test_settleBatch__the_same_twice__pays_once() external {
        SettlementParameters[] memory batch = _batch(2);
        batch[1] = batch[0];
        escrow.settleBatch(batch);
        vm.assertEq(escrow.accountOf(last.host).servedLayerTokens, 4 * uint256(INPUT_TOKENS + OUTPUT_TOKENS));
        _assertStatus(2, RequestStatus.OPEN);
    }

    function test_settleBatch__one_too_late__skips_it() external {
        RequestId early = _open();
        vm.warp(block.timestamp + 1);
        RequestId later = _open();
        SettlementParameters[] memory batch = new SettlementParameters[](2);
        (batch[0], batch[1]) = (_settlement(early), _settlement(later));
        vm.warp(block.timestamp + WINDOW);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.SettlementSkipped(early, RequestStatus.OPEN);
        escrow.settleBatch(batch);
        _assertStatus(1, RequestStatus.OPEN);
        _assertStatus(2, RequestStatus.SETTLED);
    }

    function test_settleBatch__one_wrong__settles_none() external {
        SettlementParameters[] memory batch = _batch(3);
        batch[2].answer = "";
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.AnswerEmpty.selector, 3));
        escrow.settleBatch(batch);
        _assertStatus(1, RequestStatus.OPEN);
    }

    function test_settleBatch__unknown_request__reverts() external {
        SettlementParameters[] memory batch = _batch(1);
        batch[0].requestId = RequestId.wrap(9);
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.UnknownRequest.selector, 9));
        escrow.settleBatch(batch);
    }

    function test_settleBatch__nothing__does_nothing() external {
        escrow.settleBatch(_none);
    }

    function _batch(uint256 size) private returns (SettlementParameters[] memory batch) {
        batch = new SettlementParameters[](size);
        for (uint256 i = 0; i < size; ++i) {
            batch[i] = _settlement(_open());
        }
    }

    function _assertStatus(uint256 requestId, RequestStatus status) private view {
        vm.assertTrue(escrow.requestOf(RequestId.wrap(requestId)).status == status);
    }
}
