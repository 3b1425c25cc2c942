// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {Model, ModelTerms} from "../types/Model.sol";
import {TcbStatus} from "../types/VerifiedQuote.sol";
import {IModelAdministration} from "./IModelAdministration.sol";

/// @title IModelRegistry
/// @notice What anyone can read about published models: the digests of their weights, their prices, the images that may
/// run them, the platforms that may serve them.
interface IModelRegistry is IModelAdministration {
    /* ERRORS OF ENROLMENT AND RENEWAL */

    /// @notice The range `[firstLayer, endLayer)` is empty or exceeds the model's layers.
    error LayerRangeInvalid(uint256 firstLayer, uint256 endLayer, uint256 layerCount);

    /// @notice The platform is denied, or the model's policy requires a listed one and this is not.
    error PlatformIsDenied(bytes32 platformId);

    /// @notice The model's policy does not accept the platform's TCB status.
    error TcbStatusRefused(bytes32 platformId, TcbStatus status);

    /// @notice The model's policy does not allow these TD attributes or features. In the byte order of the quote.
    error TdFeaturesRefused(bytes8 tdAttributes, bytes8 xfam);

    /* VIEWS */

    /// @notice How many models have been published; their ids are 1 to this number.
    function modelCount() external view returns (uint256);

    /// @notice The model as it is stored. Reverts with {UnknownModel}.
    function model(ModelId modelId) external view returns (Model memory);

    /// @notice What a request needs to know of the model. Reverts with {UnknownModel}.
    /// @return inputPrice Token wei per LLM token, as is `outputPrice`. Never zero.
    /// @return outputPrice See `inputPrice`.
    /// @return contextLength The maximum of input and output tokens together.
    function priceOf(ModelId modelId)
        external
        view
        returns (uint64 inputPrice, uint64 outputPrice, uint32 contextLength);

    /// @notice What a settlement needs to know of the model. Reverts with {UnknownModel}.
    function termsOf(ModelId modelId) external view returns (ModelTerms memory);

    /// @notice The published digest of each layer, in order. Reverts with {UnknownModel}.
    function layerDigests(ModelId modelId) external view returns (bytes32[] memory);

    /// @notice The digest of what a shard of the layers `[firstLayer, endLayer)` must have loaded; docs/protocol.md,
    /// section 2. Reverts with {UnknownModel} or {LayerRangeInvalid}.
    /// @param isEntry Whether the shard also holds embedding and head.
    function sliceDigest(ModelId modelId, uint16 firstLayer, uint16 endLayer, bool isEntry)
        external
        view
        returns (bytes32);

    /// @notice Whether shards of the model may run the image of this measurement. False for an unknown model.
    function isMeasurementAllowed(ModelId modelId, bytes32 measurement) external view returns (bool);

    /// @notice What the model demands of platforms and paths. Reverts with {UnknownModel}.
    function policyOf(ModelId modelId) external view returns (AttestationPolicy memory);

    /// @notice Whether quotes of the platform are refused for all models.
    function isPlatformDenied(bytes32 platformId) external view returns (bool);

    /// @notice Whether the platform is on the model's list. False for an unknown model.
    function isPlatformListed(ModelId modelId, bytes32 platformId) external view returns (bool);
}
