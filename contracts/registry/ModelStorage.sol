// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IModelAdministration} from "../interfaces/IModelAdministration.sol";
import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {MeasurementRecord, Model} from "../types/Model.sol";

/// @title ModelStorage
/// @notice All that is stored about models, their policies and platforms.
/// @dev {ModelAdministration} writes the registry's storage by DELEGATECALL, so both must have these variables in the
/// same slots: both inherit this contract first, and neither may declare a variable before it.
abstract contract ModelStorage is AccessManaged, IModelAdministration {
    /// @dev Also the id of the latest model.
    uint32 internal _modelCount;

    /// @dev A model that exists is never deleted.
    mapping(ModelId modelId => Model published) internal _models;

    /// @dev Every measurement that was ever allowed, in the order of its first permission. Never shrinks, so that an
    /// index into it stays valid.
    mapping(ModelId modelId => bytes32[] measurements) internal _measurements;
    mapping(ModelId modelId => mapping(bytes32 measurement => MeasurementRecord record)) internal _measurementRecords;

    /// @dev One slot per model, set when the model is published.
    mapping(ModelId modelId => AttestationPolicy policy) internal _policies;

    /// @dev For all models; denial outweighs the list.
    mapping(bytes32 platformId => bool isDenied) internal _deniedPlatforms;
    mapping(ModelId modelId => mapping(bytes32 platformId => bool isListed)) internal _listedPlatforms;

    /// @dev Reverts for an unknown model. Published prices are never zero, so one slot tells whether it exists.
    function _requireModel(ModelId modelId) internal view returns (Model storage existing) {
        existing = _models[modelId];
        if (existing.inputPrice == 0) revert UnknownModel(modelId);
    }
}
