// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {RequestId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given seven requests of which two are settled
///   when a sweeping oracle pages through the open ones: each should appear once, with any page size
///   when it asks for one recipient's: no other should appear
contract EscrowViewsTest is RequestFixture {
    ShardId private constant EVERYONE = ShardId.wrap(0);

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 7; ++i) {
            _open();
        }
        escrow.settle(_settlement(RequestId.wrap(2)));
        escrow.settle(_settlement(RequestId.wrap(7)));
    }

    function test_openRequests__any_page_size__shows_each_once(uint256 limit) external view {
        limit = bounded(limit, 1, 9);
        uint256 seen;
        RequestId cursor;
        uint256 previous;
        do {
            RequestId[] memory page;
            (page, cursor) = escrow.openRequests(EVERYONE, cursor, limit);
            for (uint256 i = 0; i < page.length; ++i) {
                uint256 requestId = RequestId.unwrap(page[i]);
                vm.assertGt(requestId, previous);
                vm.assertTrue(requestId != 2 && requestId != 7);
                previous = requestId;
                ++seen;
            }
        } while (RequestId.unwrap(cursor) != 0);
        vm.assertEq(seen, 5);
    }

    function test_openRequests__cursor_beyond_the_last__shows_none() external view {
        (RequestId[] memory page, RequestId next) =
            escrow.openRequests(EVERYONE, RequestId.wrap(type(uint256).max), 10);
        vm.assertEq(page.length, 0);
        vm.assertEq(RequestId.unwrap(next), 0);
    }

    function test_openRequests__no_limit__shows_all() external view {
        (RequestId[] memory page, RequestId next) = escrow.openRequests(EVERYONE, RequestId.wrap(0), type(uint256).max);
        vm.assertEq(page.length, 5);
        vm.assertEq(RequestId.unwrap(next), 0);
    }

    function test_openRequests__of_one_recipient__shows_only_its_own() external {
        ShardId second = _shard("second entry", 0, 2, true).shardId;
        vm.prank(requester);
        RequestId shared = escrow.request(_withRecipients(entry.shardId, second));
        (RequestId[] memory page,) = escrow.openRequests(second, RequestId.wrap(0), 100);
        vm.assertEq(page.length, 1);
        vm.assertEq(RequestId.unwrap(page[0]), RequestId.unwrap(shared));
        (page,) = escrow.openRequests(entry.shardId, RequestId.wrap(0), 100);
        vm.assertEq(page.length, 6);
        (page,) = escrow.openRequests(last.shardId, RequestId.wrap(0), 100);
        vm.assertEq(page.length, 0);
    }

    function test_requestOf__unknown__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.UnknownRequest.selector, 8));
        escrow.requestOf(RequestId.wrap(8));
    }

    function test_takeoverAt__unknown__reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInferenceEscrow.UnknownRequest.selector, 8));
        escrow.takeoverAt(RequestId.wrap(8), 0);
    }
}
