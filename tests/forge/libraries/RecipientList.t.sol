// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RecipientList} from "../../../contracts/libraries/RecipientList.sol";
import {MAX_SHARD_ID, ShardId} from "../../../contracts/types/Identifiers.sol";
import {Recipients} from "../../../contracts/types/Request.sol";
import {ForgeTest} from "../fixtures/ForgeTest.sol";

/// Given one to four different shard ids
///   when they are packed: each should be at its index, and nothing else
contract RecipientListTest is ForgeTest {
    using RecipientList for Recipients;

    function test_with__any_ids__are_found_where_they_were_put(uint32[4] memory ids, uint256 count) external pure {
        count = bounded(count, 0, 4);
        Recipients recipients;
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = uint32(bounded(ids[i], 1 + i * (1 << 22), i == 3 ? MAX_SHARD_ID : (i + 1) * (1 << 22)));
            recipients = recipients.set(i, ShardId.wrap(ids[i]));
        }
        vm.assertEq(recipients.count(), count);
        ShardId[] memory unpacked = recipients.toArray();
        vm.assertEq(unpacked.length, count);
        for (uint256 i = 0; i < count; ++i) {
            vm.assertEq(ShardId.unwrap(unpacked[i]), ids[i]);
            vm.assertEq(ShardId.unwrap(recipients.get(i)), ids[i]);
            vm.assertEq(recipients.indexOf(ShardId.wrap(ids[i])), i);
        }
    }

    function test_indexOf__zero__is_nowhere() external pure {
        Recipients recipients;
        recipients = recipients.set(0, ShardId.wrap(7));
        vm.assertEq(recipients.indexOf(ShardId.wrap(0)), RecipientList.MAX_RECIPIENTS);
        vm.assertEq(recipients.indexOf(ShardId.wrap(8)), RecipientList.MAX_RECIPIENTS);
    }
}
