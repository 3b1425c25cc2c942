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
/// @notice The functions of the registry that roles call. Their code is a separate contract, because it does not fit
/// into the registry's 24,576 bytes; docs/decisions/010-administration-by-delegatecall.md.
/// @dev The registry creates this contract in its constructor and runs its code on its own storage, by DELEGATECALL. So
/// nothing here may have storage other than {ModelStorage}'s, or immutables: they would be this contract's own. `this`
/// and `msg.sender` are the registry and its caller.
contract ModelAdministration is ModelStorage {
    /// @notice 50 %. Together with the escrow's maximum fee of 30 %, hosts still get a fifth of the cost.
    uint256 public constant MAX_ROYALTY_BPS = 5000;

    /// @notice The TCB statuses that a new model accepts: only UP_TO_DATE.
    uint16 public constant INITIAL_STATUSES = uint16(1 << uint8(TcbStatus.UP_TO_DATE));

    /// @dev TD attributes that a new model allows: SEPT_VE_DISABLE, protection keys, key locker, performance counters.
    bytes8 private constant _INITIAL_TD_ATTRIBUTES = hex"000000d000000080";
    /// @dev CPU features that a new model allows: x87, SSE, AVX, AVX-512, protection keys, CET, AMX.
    bytes8 private constant _INITIAL_XFAM = hex"e71a060000000000";

    /// @dev Bits 1 to 8: UP_TO_DATE to OUT_OF_DATE_CONFIGURATION_NEEDED.
    uint16 private constant _ACCEPTABLE_STATUSES = 0x01fe;
    /// @dev The verifier stores collateral of no higher evaluation number, so a policy with one could never be met.
    uint16 private constant _MAX_EVALUATION_NUMBER = 255;

    /// @param authority The registry's AccessManager. Only direct calls use it; they change nothing of the registry.
    constructor(address authority) AccessManaged(authority) {}

    /* MODELS */

    /// @inheritdoc IModelAdministration
    /// @dev The registry does not verify the digests; publishing others than those of the weights makes a model that no
    /// honest enclave can serve.
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
        _setInitialPolicy(modelId, parameters.minimumEvaluationNumber);
        for (uint256 i = 0; i < measurements.length; ++i) {
            _allowMeasurement(modelId, measurements[i]);
        }
    }

    /// @inheritdoc IModelAdministration
    /// @dev One price may rise while the other stays, so a raise needs no second call.
    function raisePrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external restricted {
        Model storage priced = _requireModel(modelId);
        (uint64 input, uint64 output) = (priced.inputPrice, priced.outputPrice);
        bool isRaise = inputPrice >= input && outputPrice >= output && (inputPrice > input || outputPrice > output);
        if (!isRaise) revert NotARaise(modelId, inputPrice, outputPrice);
        _setPrices(modelId, inputPrice, outputPrice);
    }

    /// @inheritdoc IModelAdministration
    /// @dev Zero is excluded before the comparison: it would be a reduction.
    function lowerPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external restricted {
        Model storage priced = _requireModel(modelId);
        (uint64 input, uint64 output) = (priced.inputPrice, priced.outputPrice);
        if (inputPrice == 0 || outputPrice == 0) revert ZeroPrice();
        bool isReduction = inputPrice <= input && outputPrice <= output && (inputPrice < input || outputPrice < output);
        if (!isReduction) revert NotAReduction(modelId, inputPrice, outputPrice);
        _setPrices(modelId, inputPrice, outputPrice);
    }

    /* MEASUREMENTS */

    /// @inheritdoc IModelAdministration
    /// @dev Requires notice, so that hosts and requesters can review the image's source first.
    function allowMeasurement(ModelId modelId, bytes32 measurement) external restricted {
        _requireModel(modelId);
        _allowMeasurement(modelId, measurement);
    }

    /// @inheritdoc IModelAdministration
    /// @dev The record stays, so that the index in shards' records still names the measurement.
    function withdrawMeasurement(ModelId modelId, bytes32 measurement) external restricted {
        MeasurementRecord storage record = _measurementRecords[modelId][measurement];
        if (!record.isAllowed) revert MeasurementNotAllowed(modelId, measurement);
        record.isAllowed = false;
        emit MeasurementWithdrawn(modelId, measurement);
    }

    /* POLICIES */

    /// @inheritdoc IModelAdministration
    /// @dev The current policy of an unknown model is empty, so a policy that accepts anything is no tightening, and
    /// any other reverts with {UnknownModel}.
    function tightenPolicy(ModelId modelId, AttestationPolicy calldata policy) external restricted {
        AttestationPolicy memory current = _policies[modelId];
        if (!_isTightening(current, policy)) revert NotATightening(modelId);
        _setPolicy(modelId, policy);
    }

    /// @inheritdoc IModelAdministration
    /// @dev Also accepts a policy that is stricter, or equal; {tightenPolicy} is only faster.
    function setPolicy(ModelId modelId, AttestationPolicy calldata policy) external restricted {
        _setPolicy(modelId, policy);
    }

    /* PLATFORMS */

    /// @inheritdoc IModelAdministration
    /// @dev For all models at once: a platform whose keys are extracted can sign anything. The id need not be known
    /// here, so a platform can be denied before its first enrolment.
    function denyPlatform(bytes32 platformId) external restricted {
        if (_deniedPlatforms[platformId]) revert PlatformAlreadyDenied(platformId);
        _deniedPlatforms[platformId] = true;
        emit PlatformDenied(platformId);
    }

    /// @inheritdoc IModelAdministration
    /// @dev Shards that were evicted meanwhile have to renew.
    function readmitPlatform(bytes32 platformId) external restricted {
        if (!_deniedPlatforms[platformId]) revert PlatformNotDenied(platformId);
        _deniedPlatforms[platformId] = false;
        emit PlatformReadmitted(platformId);
    }

    /// @inheritdoc IModelAdministration
    /// @dev A denied platform can be listed, but stays refused: denial outweighs the list.
    function listPlatform(ModelId modelId, bytes32 platformId) external restricted {
        _requireModel(modelId);
        if (_listedPlatforms[modelId][platformId]) revert PlatformAlreadyListed(modelId, platformId);
        _listedPlatforms[modelId][platformId] = true;
        emit PlatformListed(modelId, platformId);
    }

    /// @inheritdoc IModelAdministration
    /// @dev Also while the policy requires no listing: the list then only takes effect with the next policy.
    function unlistPlatform(ModelId modelId, bytes32 platformId) external restricted {
        if (!_listedPlatforms[modelId][platformId]) revert PlatformNotListed(modelId, platformId);
        _listedPlatforms[modelId][platformId] = false;
        emit PlatformUnlisted(modelId, platformId);
    }

    /* CHECKS AND EFFECTS */

    /// @dev Bounds on what can never be corrected after publication.
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

    /// @dev Both callers have checked that the model exists. Open requests keep the prices in their record.
    function _setPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) private {
        _models[modelId].inputPrice = inputPrice;
        _models[modelId].outputPrice = outputPrice;
        emit PricesSet(modelId, inputPrice, outputPrice);
    }

    /// @dev A measurement that is allowed again keeps its index: shards' records point to it.
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

    /// @dev The policy of a new model: strict, because loosening it requires notice. What is up to date depends on the
    /// evaluation number, which rises with each of Intel's recoveries, so the publisher states it.
    function _setInitialPolicy(ModelId modelId, uint16 minimumEvaluationNumber) private {
        AttestationPolicy memory policy;
        policy.acceptedStatuses = INITIAL_STATUSES;
        policy.minimumEvaluationNumber = minimumEvaluationNumber;
        policy.allowedTdAttributes = _INITIAL_TD_ATTRIBUTES;
        policy.allowedXfam = _INITIAL_XFAM;
        _setPolicy(modelId, policy);
    }

    function _setPolicy(ModelId modelId, AttestationPolicy memory policy) private {
        // Rejects what no verifier accepts anyway, so that a typing error is noticed before it takes effect.
        bool isValid = policy.acceptedStatuses & ~_ACCEPTABLE_STATUSES == 0
            && policy.minimumEvaluationNumber <= _MAX_EVALUATION_NUMBER;
        if (!isValid) revert PolicyInvalid(policy.acceptedStatuses, policy.minimumEvaluationNumber);
        Model storage existing = _requireModel(modelId);
        _policies[modelId] = policy;
        // copied to the slot that a settlement reads
        (existing.minHosts, existing.minPlatforms) = (policy.minHosts, policy.minPlatforms);
        emit PolicySet(modelId, policy);
    }

    /// @dev Whether `policy` admits less than `current`, and nothing more. Compares field by field: a field may not
    /// become looser, and the policies may not be equal. A maximum age of zero means none, so it is looser than any
    /// other.
    function _isTightening(AttestationPolicy memory current, AttestationPolicy memory policy)
        private
        pure
        returns (bool)
    {
        bool hasMaxAge = current.maxCollateralAge != 0;
        bool isLooser = policy.acceptedStatuses & ~current.acceptedStatuses != 0
            || policy.minimumEvaluationNumber < current.minimumEvaluationNumber
            || (hasMaxAge && (policy.maxCollateralAge == 0 || policy.maxCollateralAge > current.maxCollateralAge))
            || policy.allowedTdAttributes & ~current.allowedTdAttributes != 0
            || policy.allowedXfam & ~current.allowedXfam != 0
            || (current.onlyListedPlatforms && !policy.onlyListedPlatforms) || policy.minHosts < current.minHosts
            || policy.minPlatforms < current.minPlatforms;
        return !isLooser && keccak256(abi.encode(policy)) != keccak256(abi.encode(current));
    }
}
