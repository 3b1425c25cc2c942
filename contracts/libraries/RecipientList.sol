// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ShardId} from "../types/Identifiers.sol";
import {Recipients} from "../types/Request.sol";

/// @title RecipientList
/// @notice Up to four shard ids of 24 bits each in 96 bits, the primary in the lowest. The registry gives no id above
/// `MAX_SHARD_ID`.
library RecipientList {
    uint256 internal constant MAX_RECIPIENTS = 4;

    /// @notice The list with `shardId` at `index`. Nothing may be there yet: the id is OR-ed in.
    function set(Recipients recipients, uint256 index, ShardId shardId) internal pure returns (Recipients) {
        return
            Recipients.wrap(Recipients.unwrap(recipients) | uint96(uint256(ShardId.unwrap(shardId)) << (24 * index)));
    }

    /// @notice The recipient at `index`; zero: there is none.
    function get(Recipients recipients, uint256 index) internal pure returns (ShardId) {
        return ShardId.wrap(uint24(Recipients.unwrap(recipients) >> (24 * index)));
    }

    /// @notice How many recipients there are. They have no gaps.
    function count(Recipients recipients) internal pure returns (uint256 number) {
        while (number < MAX_RECIPIENTS && ShardId.unwrap(get(recipients, number)) != 0) ++number;
    }

    /// @notice The position of a shard; `MAX_RECIPIENTS` if it is not in the list. Id zero is never in it.
    function indexOf(Recipients recipients, ShardId shardId) internal pure returns (uint256 index) {
        if (ShardId.unwrap(shardId) == 0) return MAX_RECIPIENTS;
        while (index < MAX_RECIPIENTS && get(recipients, index) != shardId) ++index;
    }

    /// @notice The recipients in order.
    function toArray(Recipients recipients) internal pure returns (ShardId[] memory shardIds) {
        shardIds = new ShardId[](count(recipients));
        for (uint256 i = 0; i < shardIds.length; ++i) {
            shardIds[i] = get(recipients, i);
        }
    }
}
