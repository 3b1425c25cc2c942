// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ShardId} from "../types/Identifiers.sol";
import {Recipients} from "../types/Request.sol";

/// @title RecipientList
/// @notice Up to four shard ids in 128 bits, the primary lowest.
library RecipientList {
    uint256 internal constant MAX_RECIPIENTS = 4;

    /// @notice The list with `shardId` at `index`, which was empty.
    function with(Recipients recipients, uint256 index, ShardId shardId) internal pure returns (Recipients) {
        return
            Recipients.wrap(Recipients.unwrap(recipients) | uint128(uint256(ShardId.unwrap(shardId)) << (32 * index)));
    }

    function get(Recipients recipients, uint256 index) internal pure returns (ShardId) {
        return ShardId.wrap(uint32(Recipients.unwrap(recipients) >> (32 * index)));
    }

    function count(Recipients recipients) internal pure returns (uint256 number) {
        while (number < MAX_RECIPIENTS && ShardId.unwrap(get(recipients, number)) != 0) ++number;
    }

    /// @notice Where a shard stands; `MAX_RECIPIENTS`: nowhere. Zero is no shard and stands nowhere.
    function indexOf(Recipients recipients, ShardId shardId) internal pure returns (uint256 index) {
        if (ShardId.unwrap(shardId) == 0) return MAX_RECIPIENTS;
        while (index < MAX_RECIPIENTS && get(recipients, index) != shardId) ++index;
    }

    function toArray(Recipients recipients) internal pure returns (ShardId[] memory shardIds) {
        shardIds = new ShardId[](count(recipients));
        for (uint256 i = 0; i < shardIds.length; ++i) {
            shardIds[i] = get(recipients, i);
        }
    }
}
