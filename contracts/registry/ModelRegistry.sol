// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {LayerDigests} from "../libraries/LayerDigests.sol";
import {ShardSlots} from "../libraries/ShardSlots.sol";
import {ModelId} from "../types/Identifiers.sol";
import {MeasurementRecord, Model, ModelParameters, ModelTerms} from "../types/Model.sol";

/// @title ModelRegistry
/// @notice The registry's half about models.
abstract contract ModelRegistry is AccessManaged, IModelRegistry {
    /// @notice 50 %, so that fee and royalty together stay below the cost.
    uint256 public constant MAX_ROYALTY_BPS = 5000;

    uint32 private _modelCount;
    mapping(ModelId modelId => Model published) private _models;
    mapping(ModelId modelId => bytes32[] measurements) private _measurements;
    mapping(ModelId modelId => mapping(bytes32 measurement => MeasurementRecord record)) private _measurementRecords;
    mapping(bytes32 platformId => bool isDenied) private _deniedPlatforms;

    /* MODELS */

    /// @inheritdoc IModelRegistry
    function publishModel(ModelParameters calldata parameters, bytes32[] calldata measurements)
        external
        restricted
        returns (ModelId modelId)
    {
        // Check:
        _checkModel(parameters);
        // Effect:
        modelId = ModelId.wrap(++_modelCount);
        Model storage published = _models[modelId];
        published.inputPrice = parameters.inputPrice;
        published.outputPrice = parameters.outputPrice;
        published.contextLength = parameters.contextLength;
        published.royaltyRecipient = parameters.royaltyRecipient;
        published.royaltyBps = parameters.royaltyBps;
        published.layerCount = uint16(parameters.layerDigests.length); // at most MAX_LAYERS
        published.entryLayerEquivalents = parameters.entryLayerEquivalents;
        published.layerDigests = LayerDigests.write(parameters.layerDigests);
        published.embeddingDigest = parameters.embeddingDigest;
        published.headDigest = parameters.headDigest;
        published.name = parameters.name;
        published.manifestURI = parameters.manifestURI;
        emit ModelPublished({
            modelId: modelId,
            name: parameters.name,
            layerCount: parameters.layerDigests.length,
            manifestURI: parameters.manifestURI
        });
        emit PricesSet(modelId, parameters.inputPrice, parameters.outputPrice);
        for (uint256 i = 0; i < measurements.length; ++i) {
            _allowMeasurement(modelId, measurements[i]);
        }
    }

    /// @inheritdoc IModelRegistry
    function raisePrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external restricted {
        Model storage priced = _known(modelId);
        (uint64 input, uint64 output) = (priced.inputPrice, priced.outputPrice);
        bool isRaise = inputPrice >= input && outputPrice >= output && (inputPrice > input || outputPrice > output);
        if (!isRaise) revert NotARaise(modelId, inputPrice, outputPrice);
        _setPrices(modelId, inputPrice, outputPrice);
    }

    /// @inheritdoc IModelRegistry
    function lowerPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external restricted {
        Model storage priced = _known(modelId);
        (uint64 input, uint64 output) = (priced.inputPrice, priced.outputPrice);
        if (inputPrice == 0 || outputPrice == 0) revert ZeroPrice();
        bool isLower = inputPrice <= input && outputPrice <= output && (inputPrice < input || outputPrice < output);
        if (!isLower) revert NotAReduction(modelId, inputPrice, outputPrice);
        _setPrices(modelId, inputPrice, outputPrice);
    }

    /* MEASUREMENTS AND PLATFORMS */

    /// @inheritdoc IModelRegistry
    function allowMeasurement(ModelId modelId, bytes32 measurement) external restricted {
        _known(modelId);
        _allowMeasurement(modelId, measurement);
    }

    /// @inheritdoc IModelRegistry
    function withdrawMeasurement(ModelId modelId, bytes32 measurement) external restricted {
        MeasurementRecord storage record = _measurementRecords[modelId][measurement];
        if (!record.isAllowed) revert MeasurementNotAllowed(modelId, measurement);
        record.isAllowed = false;
        emit MeasurementWithdrawn(modelId, measurement);
    }

    /// @inheritdoc IModelRegistry
    function denyPlatform(bytes32 platformId) external restricted {
        if (_deniedPlatforms[platformId]) revert PlatformAlreadyDenied(platformId);
        _deniedPlatforms[platformId] = true;
        emit PlatformDenied(platformId);
    }

    /// @inheritdoc IModelRegistry
    function readmitPlatform(bytes32 platformId) external restricted {
        if (!_deniedPlatforms[platformId]) revert PlatformNotDenied(platformId);
        _deniedPlatforms[platformId] = false;
        emit PlatformReadmitted(platformId);
    }

    /* VIEWS */

    /// @inheritdoc IModelRegistry
    function modelCount() external view returns (uint256) {
        return _modelCount;
    }

    /// @inheritdoc IModelRegistry
    function model(ModelId modelId) external view returns (Model memory) {
        return _known(modelId);
    }

    /// @inheritdoc IModelRegistry
    function priceOf(ModelId modelId)
        external
        view
        returns (uint64 inputPrice, uint64 outputPrice, uint32 contextLength)
    {
        Model storage priced = _known(modelId);
        return (priced.inputPrice, priced.outputPrice, priced.contextLength);
    }

    /// @inheritdoc IModelRegistry
    function termsOf(ModelId modelId) external view returns (ModelTerms memory) {
        bytes32 word = _termsWord(modelId);
        if (word == bytes32(0)) revert UnknownModel(modelId);
        return ShardSlots.termsIn(word);
    }

    /// @inheritdoc IModelRegistry
    function layerDigests(ModelId modelId) external view returns (bytes32[] memory) {
        return LayerDigests.all(_known(modelId).layerDigests);
    }

    /// @inheritdoc IModelRegistry
    function sliceDigest(ModelId modelId, uint16 firstLayer, uint16 endLayer, bool isEntry)
        public
        view
        returns (bytes32)
    {
        Model storage known = _models[modelId];
        uint256 layerCount = known.layerCount;
        if (layerCount == 0) revert UnknownModel(modelId);
        if (firstLayer >= endLayer || endLayer > layerCount) {
            revert LayerRangeInvalid(firstLayer, endLayer, layerCount);
        }
        if (!isEntry) return LayerDigests.slice(known.layerDigests, firstLayer, endLayer);
        return LayerDigests.entrySlice({
            pointer: known.layerDigests,
            firstLayer: firstLayer,
            endLayer: endLayer,
            embeddingDigest: known.embeddingDigest,
            headDigest: known.headDigest
        });
    }

    /// @inheritdoc IModelRegistry
    function isMeasurementAllowed(ModelId modelId, bytes32 measurement) public view returns (bool) {
        return _measurementRecords[modelId][measurement].isAllowed;
    }

    /// @inheritdoc IModelRegistry
    function isPlatformDenied(bytes32 platformId) public view returns (bool) {
        return _deniedPlatforms[platformId];
    }

    /* INTERNAL */

    /// @dev The index of a measurement which the model's shards may run.
    function _allowedMeasurementIndex(ModelId modelId, bytes32 measurement) internal view returns (uint32) {
        MeasurementRecord memory record = _measurementRecords[modelId][measurement];
        if (!record.isAllowed) revert MeasurementNotAllowed(modelId, measurement);
        return record.index;
    }

    /// @dev Zero for an unknown model: a known one has layers.
    function _termsWord(ModelId modelId) internal view returns (bytes32) {
        return ShardSlots.termsWord(_models[modelId]);
    }

    /// @dev `index` is one that `_allowedMeasurementIndex` gave.
    function _measurementAt(ModelId modelId, uint32 index) internal view returns (bytes32) {
        return _measurements[modelId][index - 1];
    }

    /// @dev Published prices are never zero, so one slot tells whether the model exists.
    function _known(ModelId modelId) private view returns (Model storage known) {
        known = _models[modelId];
        if (known.inputPrice == 0) revert UnknownModel(modelId);
    }

    function _checkModel(ModelParameters calldata parameters) private pure {
        uint256 layerCount = parameters.layerDigests.length;
        if (layerCount == 0) revert NoLayers();
        if (layerCount > LayerDigests.MAX_LAYERS) revert TooManyLayers(layerCount, LayerDigests.MAX_LAYERS);
        if (parameters.contextLength == 0) revert ZeroContextLength();
        if (parameters.inputPrice == 0 || parameters.outputPrice == 0) revert ZeroPrice();
        if (parameters.royaltyBps > MAX_ROYALTY_BPS) revert RoyaltyTooHigh(parameters.royaltyBps, MAX_ROYALTY_BPS);
        if (parameters.royaltyBps != 0 && parameters.royaltyRecipient == address(0)) {
            revert RoyaltyWithoutRecipient(parameters.royaltyBps);
        }
    }

    function _setPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) private {
        _models[modelId].inputPrice = inputPrice;
        _models[modelId].outputPrice = outputPrice;
        emit PricesSet(modelId, inputPrice, outputPrice);
    }

    function _allowMeasurement(ModelId modelId, bytes32 measurement) private {
        if (measurement == bytes32(0)) revert ZeroMeasurement();
        MeasurementRecord storage record = _measurementRecords[modelId][measurement];
        if (record.isAllowed) revert MeasurementAlreadyAllowed(modelId, measurement);
        if (record.index == 0) {
            _measurements[modelId].push(measurement);
            record.index = uint32(_measurements[modelId].length);
        }
        record.isAllowed = true;
        emit MeasurementAllowed(modelId, measurement);
    }
}
