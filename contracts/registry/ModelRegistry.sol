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
/// @notice The registry's models: what anyone can read about them, and the entry points of what roles decide.
/// @dev The code of the latter is in {ModelAdministration}, which runs on this contract's storage. Events and errors
/// are this contract's either way.
abstract contract ModelRegistry is ModelStorage, IModelRegistry {
    /// @dev Created here and never replaced, so this is no upgradeable proxy.
    address private immutable _ADMINISTRATION;

    /// @dev The administration gets the same authority, so that it checks the same roles.
    constructor() {
        _ADMINISTRATION = address(new ModelAdministration(authority()));
    }

    /* ADMINISTRATION */

    // The calldata is forwarded as it is. Each parameter is named for the ABI, and mentioned so that the compiler does
    // not report it as unused. ModelAdministration checks the caller's role.

    /// @inheritdoc IModelAdministration
    function publishModel(ModelParameters calldata parameters, bytes32[] calldata measurements)
        external
        returns (ModelId)
    {
        (parameters, measurements);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function raisePrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external {
        (modelId, inputPrice, outputPrice);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function lowerPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external {
        (modelId, inputPrice, outputPrice);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function allowMeasurement(ModelId modelId, bytes32 measurement) external {
        (modelId, measurement);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function withdrawMeasurement(ModelId modelId, bytes32 measurement) external {
        (modelId, measurement);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function tightenPolicy(ModelId modelId, AttestationPolicy calldata policy) external {
        (modelId, policy);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function setPolicy(ModelId modelId, AttestationPolicy calldata policy) external {
        (modelId, policy);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function denyPlatform(bytes32 platformId) external {
        platformId;
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function readmitPlatform(bytes32 platformId) external {
        platformId;
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function listPlatform(ModelId modelId, bytes32 platformId) external {
        (modelId, platformId);
        _delegateToAdministration();
    }

    /// @inheritdoc IModelAdministration
    function unlistPlatform(ModelId modelId, bytes32 platformId) external {
        (modelId, platformId);
        _delegateToAdministration();
    }

    /// @dev Runs the code of {ModelAdministration} with this call's data, sender and storage, and ends this call with
    /// its result, so nothing after it runs.
    function _delegateToAdministration() private {
        address administration = _ADMINISTRATION;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let success := delegatecall(gas(), administration, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(success) { revert(data, returndatasize()) }
            return(data, returndatasize())
        }
    }

    /* VIEWS */

    /// @inheritdoc IModelRegistry
    function modelCount() external view returns (uint256) {
        return _modelCount;
    }

    /// @inheritdoc IModelRegistry
    function model(ModelId modelId) external view returns (Model memory) {
        return _requireModel(modelId);
    }

    /// @inheritdoc IModelRegistry
    /// @dev All three are in one slot.
    function priceOf(ModelId modelId)
        external
        view
        returns (uint64 inputPrice, uint64 outputPrice, uint32 contextLength)
    {
        Model storage priced = _requireModel(modelId);
        return (priced.inputPrice, priced.outputPrice, priced.contextLength);
    }

    /// @inheritdoc IModelRegistry
    /// @dev All terms are in one slot, which an existing model never leaves zero.
    function termsOf(ModelId modelId) external view returns (ModelTerms memory) {
        bytes32 word = _termsWord(modelId);
        if (word == bytes32(0)) revert UnknownModel(modelId);
        return ShardSlots.termsIn(word);
    }

    /// @inheritdoc IModelRegistry
    /// @dev Copies all of the digests' code: meant for readers, not for contracts.
    function layerDigests(ModelId modelId) external view returns (bytes32[] memory) {
        return LayerDigests.readAll(_requireModel(modelId).layerDigests);
    }

    /// @inheritdoc IModelRegistry
    /// @dev Computed from what was published, so a host cannot state another digest.
    function sliceDigest(ModelId modelId, uint16 firstLayer, uint16 endLayer, bool isEntry)
        public
        view
        returns (bytes32)
    {
        Model storage existing = _models[modelId];
        address digests = existing.layerDigests;
        if (digests == address(0)) revert UnknownModel(modelId);
        // The number of digests is the number of layers. The terms have it too, but in a slot that is not read here.
        uint256 layerCount = LayerDigests.count(digests);
        if (firstLayer >= endLayer || endLayer > layerCount) {
            revert LayerRangeInvalid(firstLayer, endLayer, layerCount);
        }
        if (!isEntry) return LayerDigests.slice(digests, firstLayer, endLayer);
        return LayerDigests.entrySlice({
            pointer: digests,
            firstLayer: firstLayer,
            endLayer: endLayer,
            embeddingDigest: existing.embeddingDigest,
            headDigest: existing.headDigest
        });
    }

    /// @inheritdoc IModelRegistry
    function isMeasurementAllowed(ModelId modelId, bytes32 measurement) public view returns (bool) {
        return _measurementRecords[modelId][measurement].isAllowed;
    }

    /// @inheritdoc IModelRegistry
    /// @dev Checks the model, because an empty policy would look like one that accepts nothing.
    function policyOf(ModelId modelId) external view returns (AttestationPolicy memory) {
        _requireModel(modelId);
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

    /* FOR THE REGISTRY'S OTHER PARTS */

    /// @dev The index of a measurement that the model's shards may run. Reverts for any other.
    function _allowedMeasurementIndex(ModelId modelId, bytes32 measurement) internal view returns (uint32) {
        MeasurementRecord memory record = _measurementRecords[modelId][measurement];
        if (!record.isAllowed) revert MeasurementNotAllowed(modelId, measurement);
        return record.index;
    }

    /// @dev The model's terms as one word; zero for an unknown model, because an existing one has layers.
    function _termsWord(ModelId modelId) internal view returns (bytes32) {
        return ShardSlots.readTermsSlot(_models[modelId]);
    }

    /// @dev The measurement at an index that {_allowedMeasurementIndex} returned.
    function _measurementAt(ModelId modelId, uint32 index) internal view returns (bytes32) {
        return _measurements[modelId][index - 1];
    }

    /// @dev The model's policy as one word; see {PolicyWord}.
    function _policyWord(ModelId modelId) internal view returns (uint256) {
        return PolicyWord.read(_policies[modelId]);
    }

    /// @dev Whether the platform is admitted, regardless of its TCB status.
    function _isPlatformAdmitted(uint256 policy, ModelId modelId, bytes32 platformId) internal view returns (bool) {
        if (_deniedPlatforms[platformId]) return false;
        return !PolicyWord.requiresListing(policy) || _listedPlatforms[modelId][platformId];
    }
}
