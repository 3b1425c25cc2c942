// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

/// @notice Id of a published model, from 1; zero: no model.
type ModelId is uint32;

/// @notice Id of a shard, one enclave with a layer range of one model, from 1; zero: no shard.
type ShardId is uint32;

/// @dev The registry gives no higher id, so that four ids fit 96 bits; see RecipientList.
uint32 constant MAX_SHARD_ID = type(uint24).max;

/// @notice Id of a request, one question to the network, from 1; zero: no request.
type RequestId is uint256;

using {equalModels as ==, differentModels as !=} for ModelId global;
using {equalShards as ==, differentShards as !=} for ShardId global;

function equalModels(ModelId a, ModelId b) pure returns (bool) {
    return ModelId.unwrap(a) == ModelId.unwrap(b);
}

function differentModels(ModelId a, ModelId b) pure returns (bool) {
    return ModelId.unwrap(a) != ModelId.unwrap(b);
}

function equalShards(ShardId a, ShardId b) pure returns (bool) {
    return ShardId.unwrap(a) == ShardId.unwrap(b);
}

function differentShards(ShardId a, ShardId b) pure returns (bool) {
    return ShardId.unwrap(a) != ShardId.unwrap(b);
}
