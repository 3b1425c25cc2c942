// SPDX-License-Identifier: UNLICENSED
pragma solidity >=0.8.37;

import {ModelId} from "../types/Identifiers.sol";
import {Model, ModelParameters, ModelTerms} from "../types/Model.sol";

/// @title IModelRegistry
/// @notice Published models: the digests of their weights, their prices, and which images may run them.
/// @dev Adding a measurement, raising a price and readmitting a platform belong to roles that must give notice;
/// withdrawing, lowering and denying take effect at once.
interface IModelRegistry {
    error UnknownModel(ModelId modelId);
    error NoLayers();
    error TooManyLayers(uint256 count, uint256 max);
    error ZeroContextLength();
    error ZeroPrice();
    error RoyaltyTooHigh(uint256 royaltyBps, uint256 max);
    error RoyaltyWithoutRecipient(uint256 royaltyBps);
    error LayerRangeInvalid(uint256 firstLayer, uint256 endLayer, uint256 layerCount);

    /// @notice A raise lifts at least one price and lowers none.
    error NotARaise(ModelId modelId, uint256 inputPrice, uint256 outputPrice);

    /// @notice A reduction lowers at least one price and lifts none.
    error NotAReduction(ModelId modelId, uint256 inputPrice, uint256 outputPrice);

    error ZeroMeasurement();
    error MeasurementAlreadyAllowed(ModelId modelId, bytes32 measurement);
    error MeasurementNotAllowed(ModelId modelId, bytes32 measurement);
    error PlatformAlreadyDenied(bytes32 platformId);
    error PlatformNotDenied(bytes32 platformId);

    event ModelPublished(ModelId indexed modelId, string name, uint256 layerCount, string manifestURI);
    event PricesSet(ModelId indexed modelId, uint256 inputPrice, uint256 outputPrice);
    event MeasurementAllowed(ModelId indexed modelId, bytes32 indexed measurement);
    event MeasurementWithdrawn(ModelId indexed modelId, bytes32 indexed measurement);
    event PlatformDenied(bytes32 indexed platformId);
    event PlatformReadmitted(bytes32 indexed platformId);

    /// @notice Publishes a model with the measurements of the images that may run it. Restricted.
    function publishModel(ModelParameters calldata parameters, bytes32[] calldata measurements)
        external
        returns (ModelId modelId);

    /// @notice Lets shards of the model run what has this measurement. Restricted, with notice.
    function allowMeasurement(ModelId modelId, bytes32 measurement) external;

    /// @notice Ends that, at once: no enrolment or renewal shows it any more, and anyone may evict who runs it.
    /// Restricted.
    function withdrawMeasurement(ModelId modelId, bytes32 measurement) external;

    /// @notice Sets prices of which at least one is higher and none lower. Restricted, with notice. Open requests
    /// keep theirs.
    function raisePrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external;

    /// @notice Sets prices of which at least one is lower and none higher, at once. Restricted. Open requests keep
    /// theirs.
    function lowerPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external;

    /// @notice Refuses all further quotes of a platform, at once. Restricted. Shards on it run until their
    /// attestation ends.
    function denyPlatform(bytes32 platformId) external;

    /// @notice Accepts quotes of the platform again. Restricted, with notice.
    function readmitPlatform(bytes32 platformId) external;

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

    function isPlatformDenied(bytes32 platformId) external view returns (bool);
}
