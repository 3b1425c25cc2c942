// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrowAccounts} from "../../../contracts/interfaces/IEscrowAccounts.sol";
import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {ModelId, RequestId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {DeclineReason} from "../../../contracts/types/Request.sol";
import {Request, RequestParameters} from "../../../contracts/types/Request.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given a host with an active shard when it asks within its allowance: the request should open without payment and
/// reserve the tokens when the request is settled, declined or refunded on the same day: unused tokens should be
/// returned when the day changes: the full allowance should be available again when it has served paid requests: its
/// allowance should have grown, up to the cap when the shard isn't its own, is inactive, or serves another model, or
/// the allowance is used up: it should be refused
contract RequestOnAllowanceTest is RequestFixture {
    // Four of six layers.
    uint256 private constant QUOTA = DAILY_TOKENS * 4 / 6;
    uint256 private constant RESERVED = MAX_INPUT_TOKENS + MAX_OUTPUT_TOKENS;

    function test_requestOnAllowance__within_it__opens_without_payment() external {
        uint256 balance = token.balanceOf(last.host);
        Request memory stored = escrow.requestOf(_ask());
        vm.assertEq(stored.inputPrice, 0);
        vm.assertEq(stored.outputPrice, 0);
        vm.assertEq(stored.deposit, 0);
        vm.assertEq(stored.requester, last.host);
        vm.assertEq(token.balanceOf(last.host), balance);
        _assertAllowance(QUOTA, RESERVED);
    }

    function test_requestOnAllowance__settled__pays_no_host_and_returns_unused_tokens() external {
        RequestId requestId = _ask();
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.StageSettled(requestId, entry.shardId, entry.host, _quoteHash(entry.shardId), 0);
        escrow.settle(_settlement(requestId));
        _assertAllowance(QUOTA, INPUT_TOKENS + OUTPUT_TOKENS);
        vm.assertEq(_creditOf(entry.host) + _creditOf(last.host) + _creditOf(treasury), 0);
        vm.assertEq(escrow.accountOf(last.host).servedLayerTokens, 0);
    }

    function test_requestOnAllowance__declined__gives_all_back() external {
        RequestId requestId = _ask();
        vm.prank(entry.signer);
        escrow.decline(_only(requestId), DeclineReason.OVERLOADED);
        _assertAllowance(QUOTA, 0);
    }

    function test_requestOnAllowance__refunded__gives_all_back_without_a_penalty() external {
        RequestId requestId = _ask();
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.RequestRefunded(requestId, last.host, 0, 0);
        escrow.refund(requestId);
        _assertAllowance(QUOTA, 0);
        vm.assertEq(registry.shard(entry.shardId).bond, BOND);
    }

    function test_requestOnAllowance__settled_the_next_day__leaves_the_new_day_alone() external {
        uint256 midnight = (block.timestamp / 1 days + 1) * 1 days;
        vm.warp(midnight - 10);
        RequestId yesterdays = _ask();
        vm.warp(midnight);
        _assertAllowance(QUOTA, 0);
        _ask();
        escrow.settle(_settlement(yesterdays));
        _assertAllowance(QUOTA, RESERVED);
    }

    function test_requestOnAllowance__used_up__reverts() external {
        for (uint256 i = 0; i < QUOTA / RESERVED; ++i) {
            _ask();
        }
        _assertRefused(
            last.host,
            last.shardId,
            abi.encodeWithSelector(
                IEscrowAccounts.HostAllowanceExhausted.selector, last.host, RESERVED, QUOTA % RESERVED
            )
        );
    }

    function test_requestOnAllowance__after_paid_service__is_larger() external {
        escrow.settle(_settlement(_open()));
        uint256 served = 4 * uint256(INPUT_TOKENS + OUTPUT_TOKENS);
        vm.assertEq(escrow.accountOf(last.host).servedLayerTokens, served);
        _assertAllowance(QUOTA + served * SERVED_BPS / 10_000 / LAYERS, 0);
    }

    function test_allowanceOf__after_endless_service__stops_at_the_cap() external {
        _store(last.host, uint256(type(uint64).max) << 96);
        _assertAllowance(MAX_DAILY_TOKENS, 0);
    }

    function test_allowanceOf__of_a_stranger__is_nothing() external view {
        (uint256 quota, uint256 used) = escrow.allowanceOf(stranger, last.shardId);
        vm.assertEq(quota + used, 0);
    }

    /* REFUSALS */

    function test_requestOnAllowance__of_anothers_shard__reverts() external {
        _assertRefused(
            stranger,
            last.shardId,
            abi.encodeWithSelector(IEscrowAccounts.NotTheShardsHost.selector, last.shardId, last.host, stranger)
        );
    }

    function test_requestOnAllowance__inactive_shard__reverts() external {
        vm.prank(last.host);
        registry.retire(last.shardId);
        _assertRefused(
            last.host,
            last.shardId,
            abi.encodeWithSelector(IEscrowAccounts.AllowanceShardInactive.selector, last.shardId)
        );
    }

    function test_requestOnAllowance__shard_of_another_model__reverts() external {
        ModelId other = _publish();
        RequestParameters memory parameters = _parameters();
        parameters.modelId = other;
        vm.prank(last.host);
        vm.expectRevert(
            abi.encodeWithSelector(IEscrowAccounts.AllowanceShardOfOtherModel.selector, last.shardId, other, modelId)
        );
        escrow.requestOnAllowance(parameters, last.shardId);
    }

    function test_requestOnAllowance__paused__reverts() external {
        vm.prank(guardian);
        escrow.pauseRequests();
        _assertRefused(last.host, last.shardId, abi.encodeWithSelector(IInferenceEscrow.RequestsPaused.selector));
    }

    /* HELP */

    function _ask() private returns (RequestId) {
        vm.prank(last.host);
        return escrow.requestOnAllowance(_parameters(), last.shardId);
    }

    function _assertRefused(address sender, ShardId shardId, bytes memory expected) private {
        vm.prank(sender);
        vm.expectRevert(expected);
        escrow.requestOnAllowance(_parameters(), shardId);
    }

    function _assertAllowance(uint256 expectedQuota, uint256 expectedUsed) private view {
        (uint256 quota, uint256 used) = escrow.allowanceOf(last.host, last.shardId);
        vm.assertEq(quota, expectedQuota);
        vm.assertEq(used, expectedUsed);
    }

    function _quoteHash(ShardId shardId) private view returns (bytes32) {
        return registry.shard(shardId).quoteHash;
    }

    /// @dev Writes an account's slot; `accountOf` shows that it is the right one.
    function _store(address account, uint256 value) private {
        for (uint256 slot = 0; slot < 8; ++slot) {
            bytes32 place = keccak256(abi.encode(account, slot));
            bytes32 before = vm.load(address(escrow), place);
            vm.store(address(escrow), place, bytes32(value));
            if (escrow.accountOf(account).servedLayerTokens == uint64(value >> 96)) return;
            vm.store(address(escrow), place, before);
        }
        revert("no slot holds the account");
    }
}
