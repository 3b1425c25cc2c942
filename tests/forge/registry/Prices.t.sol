// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {ModelId} from "../../../contracts/types/Identifiers.sol";
import {ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a published model
///   when prices are lowered: it should take effect immediately, and no price should rise or become zero
///   when prices are raised: it should require notice, and no price should fall
contract PricesTest is ShardFixture {
    function test_lowerPrices__one_lower__sets_them() external {
        vm.expectEmit(address(registry));
        emit IModelAdministration.PricesSet(modelId, INPUT_PRICE, OUTPUT_PRICE - 1);
        vm.prank(publisher);
        registry.lowerPrices(modelId, INPUT_PRICE, OUTPUT_PRICE - 1);
        _assertPrices(INPUT_PRICE, OUTPUT_PRICE - 1);
    }

    function test_lowerPrices__a_raise_hidden_in_it__reverts() external {
        _assertNoReduction(INPUT_PRICE + 1, OUTPUT_PRICE - 1);
        _assertNoReduction(INPUT_PRICE - 1, OUTPUT_PRICE + 1);
    }

    function test_lowerPrices__the_same_prices__reverts() external {
        _assertNoReduction(INPUT_PRICE, OUTPUT_PRICE);
    }

    function test_lowerPrices__to_zero__reverts() external {
        vm.startPrank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.ZeroPrice.selector));
        registry.lowerPrices(modelId, 0, OUTPUT_PRICE);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.ZeroPrice.selector));
        registry.lowerPrices(modelId, INPUT_PRICE, 0);
    }

    function test_lowerPrices__unknown_model__reverts() external {
        vm.prank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9));
        registry.lowerPrices(ModelId.wrap(9), 1, 1);
    }

    function test_raisePrices__after_notice__sets_them() external {
        bytes memory call = abi.encodeCall(registry.raisePrices, (modelId, INPUT_PRICE + 1, OUTPUT_PRICE));
        _afterNotice(noticeGiver, address(registry), call);
        _assertPrices(INPUT_PRICE + 1, OUTPUT_PRICE);
    }

    function test_raisePrices__without_notice__reverts() external {
        bytes memory call = abi.encodeCall(registry.raisePrices, (modelId, INPUT_PRICE + 1, OUTPUT_PRICE));
        bytes32 operation = manager.hashOperation(noticeGiver, address(registry), call);
        vm.prank(noticeGiver);
        vm.expectRevert(abi.encodeWithSignature("AccessManagerNotScheduled(bytes32)", operation));
        registry.raisePrices(modelId, INPUT_PRICE + 1, OUTPUT_PRICE);
    }

    function test_raisePrices__a_reduction_hidden_in_it__reverts() external {
        _assertNoRaise(INPUT_PRICE - 1, OUTPUT_PRICE + 1);
        _assertNoRaise(INPUT_PRICE + 1, OUTPUT_PRICE - 1);
    }

    function test_raisePrices__the_same_prices__reverts() external {
        _assertNoRaise(INPUT_PRICE, OUTPUT_PRICE);
    }

    function test_raisePrices__unknown_model__reverts() external {
        bytes memory call = abi.encodeCall(registry.raisePrices, (ModelId.wrap(9), 1, 1));
        _assertRefusedAfterNotice(call, abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9));
    }

    function _assertNoReduction(uint64 input, uint64 output) private {
        vm.prank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.NotAReduction.selector, modelId, input, output));
        registry.lowerPrices(modelId, input, output);
    }

    function _assertNoRaise(uint64 input, uint64 output) private {
        _assertRefusedAfterNotice(
            abi.encodeCall(registry.raisePrices, (modelId, input, output)),
            abi.encodeWithSelector(IModelAdministration.NotARaise.selector, modelId, input, output)
        );
    }

    function _assertRefusedAfterNotice(bytes memory call, bytes memory expected) private {
        vm.prank(noticeGiver);
        manager.schedule(address(registry), call, 0);
        vm.warp(vm.getBlockTimestamp() + NOTICE_DELAY);
        vm.prank(noticeGiver);
        vm.expectRevert(expected);
        manager.execute(address(registry), call);
    }

    function _assertPrices(uint64 expectedInput, uint64 expectedOutput) private view {
        (uint64 input, uint64 output, uint32 contextLength) = registry.priceOf(modelId);
        vm.assertEq(input, expectedInput);
        vm.assertEq(output, expectedOutput);
        vm.assertEq(contextLength, CONTEXT_LENGTH);
    }
}
