// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {ModelParameters} from "../types/Model.sol";

/// @title IModelAdministration
/// @notice Who may run which model, and at what price: everything about models that roles decide.
/// @dev What lets more in (a measurement, a platform, a looser policy) or costs more belongs to a role that must give
/// notice. What lets less in or costs less takes effect at once; for shards that are enrolled too, by `recheck`.
interface IModelAdministration {
    error UnknownModel(ModelId modelId);
    error NoLayers();
    error TooManyLayers(uint256 count, uint256 max);
    error ZeroContextLength();
    error ZeroPrice();
    error RoyaltyTooHigh(uint256 royaltyBps, uint256 max);
    error RoyaltyWithoutRecipient(uint256 royaltyBps);

    /// @notice A raise lifts at least one price and lowers none.
    error NotARaise(ModelId modelId, uint256 inputPrice, uint256 outputPrice);

    /// @notice A reduction lowers at least one price and lifts none.
    error NotAReduction(ModelId modelId, uint256 inputPrice, uint256 outputPrice);

    error ZeroMeasurement();
    error MeasurementAlreadyAllowed(ModelId modelId, bytes32 measurement);
    error MeasurementNotAllowed(ModelId modelId, bytes32 measurement);

    /// @notice The policy accepts what no policy can, or has no evaluation number that exists.
    error PolicyInvalid(uint16 acceptedStatuses, uint16 minimumEvaluationNumber);

    /// @notice The policy asks for less in at least one point, or for nothing more in any.
    error NotATightening(ModelId modelId);

    error PlatformAlreadyDenied(bytes32 platformId);
    error PlatformNotDenied(bytes32 platformId);
    error PlatformAlreadyListed(ModelId modelId, bytes32 platformId);
    error PlatformNotListed(ModelId modelId, bytes32 platformId);

    event ModelPublished(ModelId indexed modelId, string name, uint256 layerCount, string manifestURI);
    event PricesSet(ModelId indexed modelId, uint256 inputPrice, uint256 outputPrice);
    event MeasurementAllowed(ModelId indexed modelId, bytes32 indexed measurement);
    event MeasurementWithdrawn(ModelId indexed modelId, bytes32 indexed measurement);
    event PolicySet(ModelId indexed modelId, AttestationPolicy policy);
    event PlatformDenied(bytes32 indexed platformId);
    event PlatformReadmitted(bytes32 indexed platformId);
    event PlatformListed(ModelId indexed modelId, bytes32 indexed platformId);
    event PlatformUnlisted(ModelId indexed modelId, bytes32 indexed platformId);

    /// @notice Publishes a model with the measurements of the images that may run it. Its policy is the one that all
    /// begin with: UP_TO_DATE platforms alone, with common features. Restricted.
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

    /// @notice Sets a policy that asks for more in at least one point and for less in none, at once. What it asks of
    /// paths holds for open requests too. Restricted.
    function tightenPolicy(ModelId modelId, AttestationPolicy calldata policy) external;

    /// @notice Sets any policy. Restricted, with notice.
    function setPolicy(ModelId modelId, AttestationPolicy calldata policy) external;

    /// @notice Refuses all quotes of a platform, for all models and at once; anyone may evict the shards on it by
    /// `recheck`. Restricted.
    function denyPlatform(bytes32 platformId) external;

    /// @notice Accepts quotes of the platform again. Restricted, with notice.
    function readmitPlatform(bytes32 platformId) external;

    /// @notice Lists a platform for a model whose policy wants listed ones. Restricted, with notice.
    function listPlatform(ModelId modelId, bytes32 platformId) external;

    /// @notice Takes a platform from the model's list, at once. Restricted.
    function unlistPlatform(ModelId modelId, bytes32 platformId) external;
}
