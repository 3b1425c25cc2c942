// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {ModelParameters} from "../types/Model.sol";

/// @title IModelAdministration
/// @notice What roles decide about models: which exist, their prices, the images that may run them, and the platforms
/// that may serve them.
/// @dev The roles are those of AccessRoles, as AccessSetup assigns them. What admits more (a measurement, a platform, a
/// looser policy) or costs more takes effect after a notice period, in which a guardian can cancel it. What admits less
/// or costs less takes effect immediately, also for enrolled shards: anyone can then evict those that no longer
/// conform. Nothing here changes the prices of open requests. Every function reverts with AccessManagedUnauthorized for
/// any other caller.
interface IModelAdministration {
    /* MODELS */

    /// @notice There is no model of that id.
    error UnknownModel(ModelId modelId);

    /// @notice A model has at least one layer.
    error NoLayers();

    /// @notice A model has at most `max` layers.
    error TooManyLayers(uint256 count, uint256 max);

    /// @notice The context length is zero.
    error ZeroContextLength();

    /// @notice A price is zero. Zero prices mark requests on a host's allowance.
    error ZeroPrice();

    /// @notice The royalty exceeds the maximum. Both in 1/10000 of a request's cost.
    error RoyaltyTooHigh(uint256 royaltyBps, uint256 max);

    /// @notice There is a royalty (in 1/10000 of a request's cost), but no address to credit it to.
    error RoyaltyWithoutRecipient(uint256 royaltyBps);

    /// @notice A raise increases at least one price and lowers none. Token wei per LLM token.
    error NotARaise(ModelId modelId, uint256 inputPrice, uint256 outputPrice);

    /// @notice A reduction lowers at least one price and increases none. Token wei per LLM token.
    error NotAReduction(ModelId modelId, uint256 inputPrice, uint256 outputPrice);

    /// @notice A model was published.
    /// @param manifestURI Where the manifest is, the JSON of all its digests.
    event ModelPublished(ModelId indexed modelId, string name, uint256 layerCount, string manifestURI);

    /// @notice The model's prices, from now on. Token wei per LLM token.
    event PricesSet(ModelId indexed modelId, uint256 inputPrice, uint256 outputPrice);

    /// @notice Publishes a model, with the measurements of the images that may run it. Only PUBLISHER.
    /// @dev Its policy is that of all new models: UP_TO_DATE platforms with common features only; by which of Intel's
    /// sets, the minimum evaluation number says. Everything but prices, measurements and policy is fixed from now on.
    /// Reverts with one of the errors above that concern parameters, or with {ZeroMeasurement},
    /// {MeasurementAlreadyAllowed}, or {PolicyInvalid} for an evaluation number that no collateral can have.
    function publishModel(ModelParameters calldata parameters, bytes32[] calldata measurements)
        external
        returns (ModelId modelId);

    /// @notice Increases at least one price and lowers none. Only NOTICE_GIVER.
    /// @dev Reverts with {UnknownModel} or {NotARaise}.
    function raisePrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external;

    /// @notice Lowers at least one price and increases none. Only PUBLISHER.
    /// @dev Reverts with {UnknownModel}, {ZeroPrice} or {NotAReduction}.
    function lowerPrices(ModelId modelId, uint64 inputPrice, uint64 outputPrice) external;

    /* MEASUREMENTS */

    /// @notice A measurement cannot be zero.
    error ZeroMeasurement();

    /// @notice The model's shards may already run this image.
    error MeasurementAlreadyAllowed(ModelId modelId, bytes32 measurement);

    /// @notice The model's shards may not run this image.
    error MeasurementNotAllowed(ModelId modelId, bytes32 measurement);

    /// @notice Shards of the model may run the image of this measurement.
    event MeasurementAllowed(ModelId indexed modelId, bytes32 indexed measurement);

    /// @notice Shards of the model may no longer run the image of this measurement.
    event MeasurementWithdrawn(ModelId indexed modelId, bytes32 indexed measurement);

    /// @notice Lets shards of the model run the image of this measurement. Only NOTICE_GIVER.
    /// @dev Reverts with {UnknownModel}, {ZeroMeasurement} or {MeasurementAlreadyAllowed}.
    function allowMeasurement(ModelId modelId, bytes32 measurement) external;

    /// @notice Withdraws a measurement: quotes that show it are refused, and anyone may evict shards that run it. Only
    /// GUARDIAN.
    /// @dev Enrolled shards stay active until someone evicts them. Reverts with {MeasurementNotAllowed}.
    function withdrawMeasurement(ModelId modelId, bytes32 measurement) external;

    /* POLICIES */

    /// @notice The policy accepts a status other than UP_TO_DATE to OUT_OF_DATE_CONFIGURATION_NEEDED, or its evaluation
    /// number exceeds 255.
    error PolicyInvalid(uint16 acceptedStatuses, uint16 minimumEvaluationNumber);

    /// @notice The policy is looser in at least one point, or equal in all.
    error NotATightening(ModelId modelId);

    /// @notice The model's policy, from now on.
    event PolicySet(ModelId indexed modelId, AttestationPolicy policy);

    /// @notice Sets a policy that is stricter in at least one point and looser in none. Only GUARDIAN.
    /// @dev Enrolled shards that no longer conform stay active until someone rechecks them. What a policy demands of
    /// paths holds for open requests too, from now on. Reverts with {UnknownModel}, {PolicyInvalid} or
    /// {NotATightening}.
    function tightenPolicy(ModelId modelId, AttestationPolicy calldata policy) external;

    /// @notice Sets any policy. Only NOTICE_GIVER.
    /// @dev Reverts with {UnknownModel} or {PolicyInvalid}.
    function setPolicy(ModelId modelId, AttestationPolicy calldata policy) external;

    /* PLATFORMS */

    /// @notice The platform is denied already.
    error PlatformAlreadyDenied(bytes32 platformId);

    /// @notice The platform is not denied.
    error PlatformNotDenied(bytes32 platformId);

    /// @notice The platform is on the model's list already.
    error PlatformAlreadyListed(ModelId modelId, bytes32 platformId);

    /// @notice The platform is not on the model's list.
    error PlatformNotListed(ModelId modelId, bytes32 platformId);

    /// @notice Quotes of the platform are refused, for all models.
    event PlatformDenied(bytes32 indexed platformId);

    /// @notice Quotes of the platform are no longer refused.
    event PlatformReadmitted(bytes32 indexed platformId);

    /// @notice The platform was added to the model's list.
    event PlatformListed(ModelId indexed modelId, bytes32 indexed platformId);

    /// @notice The platform was removed from the model's list.
    event PlatformUnlisted(ModelId indexed modelId, bytes32 indexed platformId);

    /// @notice Refuses all quotes of a platform, for all models. Only GUARDIAN.
    /// @dev Shards on it stay active until someone rechecks them. Reverts with {PlatformAlreadyDenied}.
    function denyPlatform(bytes32 platformId) external;

    /// @notice Accepts quotes of a denied platform again. Only NOTICE_GIVER.
    /// @dev Reverts with {PlatformNotDenied}.
    function readmitPlatform(bytes32 platformId) external;

    /// @notice Adds a platform to the model's list. The list counts only while the model's policy requires it. Only
    /// NOTICE_GIVER.
    /// @dev Reverts with {UnknownModel} or {PlatformAlreadyListed}.
    function listPlatform(ModelId modelId, bytes32 platformId) external;

    /// @notice Removes a platform from the model's list. Only GUARDIAN.
    /// @dev Shards on it stay active until someone rechecks them. Reverts with {PlatformNotListed}.
    function unlistPlatform(ModelId modelId, bytes32 platformId) external;
}
