// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IModelAdministration} from "../interfaces/IModelAdministration.sol";
import {LayerDigests} from "../libraries/LayerDigests.sol";
import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {MeasurementRecord, Model, ModelParameters} from "../types/Model.sol";
import {TcbStatus} from "../types/VerifiedQuote.sol";
import {ModelStorage} from "./ModelStorage.sol";

/// @title ModelAdministration
/// @notice The part of the registry that roles call. Its code is a contract of its own, because the registry has no
/// room for it: the registry makes it in its constructor and lets it act upon the registry's storage (DELEGATECALL).
/// @dev Nothing here may have storage but that of {ModelStorage}, nor be immutable.
contract ModelAdministration is ModelStorage {
    /// @notice 50 %, so that fee and royalty together stay below the cost.
    uint256 public constant MAX_ROYALTY_BPS = 5000;

    /// @notice What a new model accepts: UP_TO_DATE and nothing else.
    uint16 public constant INITIAL_STATUSES = uint16(1 << uint8(TcbStatus.UP_TO_DATE));

    // SEPT_VE_DISABLE, protection keys, key locker, performance counters
    bytes8 private constant _INITIAL_TD_ATTRIBUTES = hex"000000d000000080";
    // x87, SSE, AVX, AVX-512, protection keys, CET, AMX
    bytes8 private constant _INITIAL_XFAM = hex"e71a060000000000";

    /// @dev UP_TO_DATE to OUT_OF_DATE_CONFIGURATION_NEEDED.
    uint16 private constant _ACCEPTABLE = 0x01fe;
    /// @dev Evaluation numbers that the verifier keeps.
    uint16 private constant _MAX_EVALUATION_NUMBER = 255;

    /// @param authority The registry's. Called by itself, not by the registry, this contract has no models.
    constructor(address authority) AccessManaged(authority) {}

    /* MODELS */

    /// @inheritdoc IModelAdministration
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
        _setInitialPolicy(modelId);
        for (uint256 i = 0; i < measurements.length; ++i) {
            _allowMeasurement(modelId, measurements[i]);
        }
    }

    /// @inheritdoc IModelAdministration
    function raisePrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external restricted {
        Model storage priced = _known(modelId);
        (uint64 input, uint64 output) = (priced.inputPrice, priced.outputPrice);
        bool isRaise = inputPrice >= input && outputPrice >= output && (inputPrice > input || outputPrice > output);
        if (!isRaise) revert NotARaise(modelId, inputPrice, outputPrice);
        _setPrices(modelId, inputPrice, outputPrice);
    }

    /// @inheritdoc IModelAdministration
    function lowerPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external restricted {
        Model storage priced = _known(modelId);
        (uint64 input, uint64 output) = (priced.inputPrice, priced.outputPrice);
        if (inputPrice == 0 || outputPrice == 0) revert ZeroPrice();
        bool isLower = inputPrice <= input && outputPrice <= output && (inputPrice < input || outputPrice < output);
        if (!isLower) revert NotAReduction(modelId, inputPrice, outputPrice);
        _setPrices(modelId, inputPrice, outputPrice);
    }

    /* MEASUREMENTS */

    /// @inheritdoc IModelAdministration
    function allowMeasurement(ModelId modelId, bytes32 measurement) external restricted {
        _known(modelId);
        _allowMeasurement(modelId, measurement);
    }

    /// @inheritdoc IModelAdministration
    function withdrawMeasurement(ModelId modelId, bytes32 measurement) external restricted {
        MeasurementRecord storage record = _measurementRecords[modelId][measurement];
        if (!record.isAllowed) revert MeasurementNotAllowed(modelId, measurement);
        record.isAllowed = false;
        emit MeasurementWithdrawn(modelId, measurement);
    }

    /* POLICIES */

    /// @inheritdoc IModelAdministration
    function tightenPolicy(ModelId modelId, AttestationPolicy calldata policy) external restricted {
        AttestationPolicy memory present = _policies[modelId];
        if (!_asksForMore(present, policy)) revert NotATightening(modelId);
        _setPolicy(modelId, policy);
    }

    /// @inheritdoc IModelAdministration
    function setPolicy(ModelId modelId, AttestationPolicy calldata policy) external restricted {
        _setPolicy(modelId, policy);
    }

    /* PLATFORMS */

    /// @inheritdoc IModelAdministration
    function denyPlatform(bytes32 platformId) external restricted {
        if (_deniedPlatforms[platformId]) revert PlatformAlreadyDenied(platformId);
        _deniedPlatforms[platformId] = true;
        emit PlatformDenied(platformId);
    }

    /// @inheritdoc IModelAdministration
    function readmitPlatform(bytes32 platformId) external restricted {
        if (!_deniedPlatforms[platformId]) revert PlatformNotDenied(platformId);
        _deniedPlatforms[platformId] = false;
        emit PlatformReadmitted(platformId);
    }

    /// @inheritdoc IModelAdministration
    function listPlatform(ModelId modelId, bytes32 platformId) external restricted {
        _known(modelId);
        if (_listedPlatforms[modelId][platformId]) revert PlatformAlreadyListed(modelId, platformId);
        _listedPlatforms[modelId][platformId] = true;
        emit PlatformListed(modelId, platformId);
    }

    /// @inheritdoc IModelAdministration
    function unlistPlatform(ModelId modelId, bytes32 platformId) external restricted {
        if (!_listedPlatforms[modelId][platformId]) revert PlatformNotListed(modelId, platformId);
        _listedPlatforms[modelId][platformId] = false;
        emit PlatformUnlisted(modelId, platformId);
    }

    /* CHECKS AND EFFECTS */

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

    /// @dev What a model begins with.
    function _setInitialPolicy(ModelId modelId) private {
        AttestationPolicy memory policy;
        policy.acceptedStatuses = INITIAL_STATUSES;
        policy.allowedTdAttributes = _INITIAL_TD_ATTRIBUTES;
        policy.allowedXfam = _INITIAL_XFAM;
        _setPolicy(modelId, policy);
    }

    function _setPolicy(ModelId modelId, AttestationPolicy memory policy) private {
        bool isValid =
            policy.acceptedStatuses & ~_ACCEPTABLE == 0 && policy.minimumEvaluationNumber <= _MAX_EVALUATION_NUMBER;
        if (!isValid) revert PolicyInvalid(policy.acceptedStatuses, policy.minimumEvaluationNumber);
        Model storage ruled = _known(modelId);
        _policies[modelId] = policy;
        // again where a settlement reads
        (ruled.minHosts, ruled.minPlatforms) = (policy.minHosts, policy.minPlatforms);
        emit PolicySet(modelId, policy);
    }

    function _asksForMore(AttestationPolicy memory present, AttestationPolicy memory policy)
        private
        pure
        returns (bool)
    {
        bool isAged = present.maxCollateralAge != 0;
        bool asksForLess = policy.acceptedStatuses & ~present.acceptedStatuses != 0
            || policy.minimumEvaluationNumber < present.minimumEvaluationNumber
            || (isAged && (policy.maxCollateralAge == 0 || policy.maxCollateralAge > present.maxCollateralAge))
            || policy.allowedTdAttributes & ~present.allowedTdAttributes != 0
            || policy.allowedXfam & ~present.allowedXfam != 0
            || (present.onlyListedPlatforms && !policy.onlyListedPlatforms) || policy.minHosts < present.minHosts
            || policy.minPlatforms < present.minPlatforms;
        return !asksForLess && keccak256(abi.encode(policy)) != keccak256(abi.encode(present));
    }
}
