// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelAdministration} from "../interfaces/IModelAdministration.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {LayerDigests} from "../libraries/LayerDigests.sol";
import {PolicyWord} from "../libraries/PolicyWord.sol";
import {ShardSlots} from "../libraries/ShardSlots.sol";
import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {MeasurementRecord, Model, ModelParameters, ModelTerms} from "../types/Model.sol";
import {ModelAdministration} from "./ModelAdministration.sol";
import {ModelStorage} from "./ModelStorage.sol";

/// @title ModelRegistry
/// @notice The registry's half about models. What roles decide is done by {ModelAdministration}.
abstract contract ModelRegistry is ModelStorage, IModelRegistry {
    address private immutable _ADMINISTRATION;

    constructor() {
        _ADMINISTRATION = address(new ModelAdministration(authority()));
    }

    /* ADMINISTRATION */

    // The parameters are named for whoever reads the ABI; they are handed over as they came.

    /// @inheritdoc IModelAdministration
    function publishModel(ModelParameters calldata parameters, bytes32[] calldata measurements)
        external
        returns (ModelId)
    {
        (parameters, measurements);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function raisePrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external {
        (modelId, inputPrice, outputPrice);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function lowerPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external {
        (modelId, inputPrice, outputPrice);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function allowMeasurement(ModelId modelId, bytes32 measurement) external {
        (modelId, measurement);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function withdrawMeasurement(ModelId modelId, bytes32 measurement) external {
        (modelId, measurement);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function tightenPolicy(ModelId modelId, AttestationPolicy calldata policy) external {
        (modelId, policy);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function setPolicy(ModelId modelId, AttestationPolicy calldata policy) external {
        (modelId, policy);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function denyPlatform(bytes32 platformId) external {
        platformId;
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function readmitPlatform(bytes32 platformId) external {
        platformId;
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function listPlatform(ModelId modelId, bytes32 platformId) external {
        (modelId, platformId);
        _administer();
    }

    /// @inheritdoc IModelAdministration
    function unlistPlatform(ModelId modelId, bytes32 platformId) external {
        (modelId, platformId);
        _administer();
    }

    /// @dev Has the same call, by the same caller, done by {ModelAdministration} upon this contract's storage; and ends
    /// this call with its answer.
    function _administer() private {
        address administration = _ADMINISTRATION;
        assembly ("memory-safe") {
            let call_ := mload(0x40)
            calldatacopy(call_, 0, calldatasize())
            let done := delegatecall(gas(), administration, call_, calldatasize(), 0, 0)
            returndatacopy(call_, 0, returndatasize())
            if iszero(done) { revert(call_, returndatasize()) }
            return(call_, returndatasize())
        }
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
        address digests = known.layerDigests;
        if (digests == address(0)) revert UnknownModel(modelId);
        // as many as the model has layers; its terms, which say so too, would have to be looked up for it
        uint256 layerCount = LayerDigests.count(digests);
        if (firstLayer >= endLayer || endLayer > layerCount) {
            revert LayerRangeInvalid(firstLayer, endLayer, layerCount);
        }
        if (!isEntry) return LayerDigests.slice(digests, firstLayer, endLayer);
        return LayerDigests.entrySlice({
            pointer: digests,
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
    function policyOf(ModelId modelId) external view returns (AttestationPolicy memory) {
        _known(modelId);
        return _policies[modelId];
    }

    /// @inheritdoc IModelRegistry
    function isPlatformDenied(bytes32 platformId) public view returns (bool) {
        return _deniedPlatforms[platformId];
    }

    /// @inheritdoc IModelRegistry
    function isPlatformListed(ModelId modelId, bytes32 platformId) public view returns (bool) {
        return _listedPlatforms[modelId][platformId];
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

    /// @dev See {PolicyWord}.
    function _policyWord(ModelId modelId) internal view returns (uint256) {
        return PolicyWord.read(_policies[modelId]);
    }

    /// @dev Whether the policy lets that platform in, whatever its status.
    function _isPlatformWanted(uint256 policy, ModelId modelId, bytes32 platformId) internal view returns (bool) {
        return
            !_deniedPlatforms[platformId] && (!PolicyWord.wantsListed(policy) || _listedPlatforms[modelId][platformId]);
    }
}
