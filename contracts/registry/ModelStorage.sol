// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IModelAdministration} from "../interfaces/IModelAdministration.sol";
import {AttestationPolicy} from "../types/AttestationPolicy.sol";
import {ModelId} from "../types/Identifiers.sol";
import {MeasurementRecord, Model} from "../types/Model.sol";

/// @title ModelStorage
/// @notice What is kept of models. The registry and {ModelAdministration}, which acts upon the registry's storage, have
/// it in the same slots: both inherit it first.
abstract contract ModelStorage is AccessManaged, IModelAdministration {
    uint32 internal _modelCount;
    mapping(ModelId modelId => Model published) internal _models;
    mapping(ModelId modelId => bytes32[] measurements) internal _measurements;
    mapping(ModelId modelId => mapping(bytes32 measurement => MeasurementRecord record)) internal _measurementRecords;
    mapping(ModelId modelId => AttestationPolicy policy) internal _policies;
    mapping(bytes32 platformId => bool isDenied) internal _deniedPlatforms;
    mapping(ModelId modelId => mapping(bytes32 platformId => bool isListed)) internal _listedPlatforms;

    /// @dev Published prices are never zero, so one slot tells whether the model exists.
    function _known(ModelId modelId) internal view returns (Model storage known) {
        known = _models[modelId];
        if (known.inputPrice == 0) revert UnknownModel(modelId);
    }
}
