// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {Model, ModelTerms} from "../types/Model.sol";
import {TcbStatus} from "../types/VerifiedQuote.sol";
import {IModelAdministration} from "./IModelAdministration.sol";

/// @title IModelRegistry
/// @notice Published models: the digests of their weights, their prices, which images may run them, and on what
/// platforms.
interface IModelRegistry is IModelAdministration {
    error LayerRangeInvalid(uint256 firstLayer, uint256 endLayer, uint256 layerCount);

    /// @notice The platform is denied, or isn't on the list which the model's policy wants it to be on.
    error PlatformIsDenied(bytes32 platformId);

    /// @notice The model's policy doesn't accept that status of the platform.
    error TcbStatusRefused(bytes32 platformId, TcbStatus status);

    /// @notice The model's policy doesn't allow these attributes and features.
    error TdFeaturesRefused(bytes8 tdAttributes, bytes8 xfam);

    /// @notice How many models have been published; their ids are 1 to this number.
    function modelCount() external view returns (uint256);

    /// @notice The whole model, as it is stored.
    function model(ModelId modelId) external view returns (Model memory);

    /// @notice Prices in token wei per LLM token, and the most positions that a request can use.
    function priceOf(ModelId modelId)
        external
        view
        returns (uint64 inputPrice, uint64 outputPrice, uint32 contextLength);

    /// @notice What a settlement needs to know of the model.
    function termsOf(ModelId modelId) external view returns (ModelTerms memory);

    /// @notice The published digest of each layer.
    function layerDigests(ModelId modelId) external view returns (bytes32[] memory);

    /// @notice keccak256 over the digests of the layers in `[firstLayer, endLayer)`, and of embedding and head for an
    /// entry.
    function sliceDigest(ModelId modelId, uint16 firstLayer, uint16 endLayer, bool isEntry)
        external
        view
        returns (bytes32);

    function isMeasurementAllowed(ModelId modelId, bytes32 measurement) external view returns (bool);

    /// @notice What the model asks of platforms and paths. Reverts with {UnknownModel}.
    function policyOf(ModelId modelId) external view returns (AttestationPolicy memory);

    function isPlatformDenied(bytes32 platformId) external view returns (bool);

    function isPlatformListed(ModelId modelId, bytes32 platformId) external view returns (bool);
}
