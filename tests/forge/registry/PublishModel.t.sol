// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {IModelRegistry} from "../../../contracts/interfaces/IModelRegistry.sol";
import {ModelId} from "../../../contracts/types/Identifiers.sol";
import {Model, ModelParameters, ModelTerms} from "../../../contracts/types/Model.sol";
import {TcbStatus} from "../../../contracts/types/VerifiedQuote.sol";
import {ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a publisher
///   when the model is complete: it should be stored, published and counted
///   when one of its parts is missing or too large: it should be refused by name
/// Given a published model
///   when a slice's digest is asked for: it should be computed from the layers' digests
///   when the range isn't one of its layers': it should be refused
contract PublishModelTest is ShardFixture {
    function test_publishModel__whole__stores_and_announces_it() external {
        ModelParameters memory parameters = _modelParameters();
        ModelId next = ModelId.wrap(ModelId.unwrap(modelId) + 1);
        vm.expectEmit(address(registry));
        emit IModelAdministration.ModelPublished(next, parameters.name, LAYERS, parameters.manifestURI);
        vm.expectEmit(address(registry));
        emit IModelAdministration.PricesSet(next, INPUT_PRICE, OUTPUT_PRICE);
        vm.expectEmit(address(registry));
        emit IModelAdministration.MeasurementAllowed(next, MEASUREMENT);
        vm.assertTrue(_publish() == next);
        vm.assertEq(registry.modelCount(), 2);
        _assertStored(registry.model(next), parameters);
        vm.assertEq(registry.layerDigests(next), parameters.layerDigests);
        vm.assertTrue(registry.isMeasurementAllowed(next, MEASUREMENT));
        ModelTerms memory terms = registry.termsOf(next);
        vm.assertEq(terms.layerCount, LAYERS);
        vm.assertEq(terms.royaltyRecipient, royaltyRecipient);
    }

    function _assertStored(Model memory stored, ModelParameters memory given) private pure {
        vm.assertEq(stored.name, given.name);
        vm.assertEq(stored.manifestURI, given.manifestURI);
        vm.assertEq(stored.layerCount, given.layerDigests.length);
        vm.assertEq(stored.embeddingDigest, given.embeddingDigest);
        vm.assertEq(stored.headDigest, given.headDigest);
        vm.assertEq(stored.contextLength, given.contextLength);
        vm.assertEq(stored.entryLayerEquivalents, given.entryLayerEquivalents);
        vm.assertEq(stored.inputPrice, given.inputPrice);
        vm.assertEq(stored.outputPrice, given.outputPrice);
        vm.assertEq(stored.royaltyBps, given.royaltyBps);
        vm.assertEq(stored.royaltyRecipient, given.royaltyRecipient);
    }

    function test_publishModel__maximum_number_of_layers__stores_them_all() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.layerDigests = new bytes32[](767);
        parameters.layerDigests[766] = keccak256("last");
        vm.prank(publisher);
        ModelId largest = registry.publishModel(parameters, _one(MEASUREMENT));
        vm.assertEq(registry.layerDigests(largest), parameters.layerDigests);
        vm.assertEq(
            registry.sliceDigest(largest, 766, 767, false), keccak256(abi.encodePacked(parameters.layerDigests[766]))
        );
    }

    function test_L24_publishModel__evaluation_number__is_the_minimum_of_the_first_policy() external {
        ModelParameters memory parameters = _modelParameters();
        uint16[3] memory numbers = [uint16(0), 19, 255];
        for (uint256 i = 0; i < numbers.length; ++i) {
            parameters.minimumEvaluationNumber = numbers[i];
            vm.prank(publisher);
            ModelId published = registry.publishModel(parameters, _one(MEASUREMENT));
            vm.assertEq(registry.policyOf(published).minimumEvaluationNumber, numbers[i]);
            vm.assertEq(registry.policyOf(published).acceptedStatuses, 1 << uint8(TcbStatus.UP_TO_DATE));
        }
    }

    function test_L24_publishModel__evaluation_number_that_no_collateral_can_have__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.minimumEvaluationNumber = 256;
        uint16 statuses = uint16(1 << uint8(TcbStatus.UP_TO_DATE));
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.PolicyInvalid.selector, statuses, 256));
    }

    function test_publishModel__too_many_layers__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.layerDigests = new bytes32[](768);
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.TooManyLayers.selector, 768, 767));
    }

    function test_publishModel__no_layers__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.layerDigests = new bytes32[](0);
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.NoLayers.selector));
    }

    function test_publishModel__no_context__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.contextLength = 0;
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.ZeroContextLength.selector));
    }

    function test_publishModel__input_for_free__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.inputPrice = 0;
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.ZeroPrice.selector));
    }

    function test_publishModel__output_for_free__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.outputPrice = 0;
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.ZeroPrice.selector));
    }

    function test_publishModel__royalty_above_half__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.royaltyBps = 5001;
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.RoyaltyTooHigh.selector, 5001, 5000));
    }

    function test_publishModel__royalty_without_recipient__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        parameters.royaltyRecipient = address(0);
        _assertRefused(
            parameters, abi.encodeWithSelector(IModelAdministration.RoyaltyWithoutRecipient.selector, ROYALTY_BPS)
        );
    }

    function test_publishModel__zero_measurement__reverts() external {
        ModelParameters memory parameters = _modelParameters();
        vm.prank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.ZeroMeasurement.selector));
        registry.publishModel(parameters, new bytes32[](1));
    }

    function _assertRefused(ModelParameters memory parameters, bytes memory expected) private {
        vm.prank(publisher);
        vm.expectRevert(expected);
        registry.publishModel(parameters, _one(MEASUREMENT));
    }

    /* SLICES */

    function test_sliceDigest__any_range__hashes_the_layers(uint16 first, uint16 end) external view {
        first = uint16(bounded(first, 0, LAYERS - 1));
        end = uint16(bounded(end, first + 1, LAYERS));
        ModelParameters memory parameters = _modelParameters();
        bytes memory layers;
        for (uint256 i = first; i < end; ++i) {
            layers = bytes.concat(layers, parameters.layerDigests[i]);
        }
        vm.assertEq(registry.sliceDigest(modelId, first, end, false), keccak256(layers));
        layers = bytes.concat(layers, parameters.embeddingDigest, parameters.headDigest);
        vm.assertEq(registry.sliceDigest(modelId, first, end, true), keccak256(layers));
    }

    function test_sliceDigest__end_beyond_last_layer__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.LayerRangeInvalid.selector, 0, LAYERS + 1, LAYERS));
        registry.sliceDigest(modelId, 0, LAYERS + 1, false);
    }

    function test_sliceDigest__empty_range__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.LayerRangeInvalid.selector, 2, 2, LAYERS));
        registry.sliceDigest(modelId, 2, 2, true);
    }

    function test_sliceDigest__unknown_model__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9));
        registry.sliceDigest(ModelId.wrap(9), 0, 1, false);
    }

    function test_model__unknown__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 0));
        registry.model(ModelId.wrap(0));
    }

    function test_termsOf__unknown_model__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9));
        registry.termsOf(ModelId.wrap(9));
    }
}
