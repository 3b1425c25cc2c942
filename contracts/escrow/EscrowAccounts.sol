// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CostSplit} from "../libraries/CostSplit.sol";
import {Account} from "../types/Account.sol";
import {ModelId, ShardId} from "../types/Identifiers.sol";
import {Stage} from "../types/Shard.sol";
import {ImmutableParameters} from "./ImmutableParameters.sol";

/// @title EscrowAccounts
/// @notice What the escrow owes to each address, and how much of its allowance a host has used.
/// @dev The escrow's token balance is the sum of all open deposits and all credits. Nothing here moves tokens: a
/// deposit becomes credit when its request ends, and leaves by InferenceEscrow.withdraw.
abstract contract EscrowAccounts is ImmutableParameters {
    /// @dev Requesters, hosts, treasury and royalty recipients alike.
    mapping(address holder => Account account) internal _accounts;

    /* CREDIT */

    /// @dev Adds token wei to what the account can withdraw. Skips the storage access for an amount of zero, so a model
    /// without royalty credits no zero address.
    function _credit(address account, uint256 amount) internal {
        if (amount != 0) _add({account: _accounts[account], amount: amount, layerTokens: 0});
    }

    /// @dev Spends credit on a deposit; returns what is left to be paid. One wei always stays, so that the slot is not
    /// cleared and written again when the request ends: that saves 17,100 gas.
    function _spendCredit(address account, uint256 amount) internal returns (uint256 missing) {
        uint256 credit = _accounts[account].credit;
        if (credit < 2) return amount;
        uint256 spent = amount < credit ? amount : credit - 1;
        _accounts[account].credit = uint96(credit - spent);
        return amount - spent;
    }

    /// @dev Credits a host's share of a paid request, and the layer tokens that raise its daily quota.
    /// @param amount Token wei.
    /// @param layerTokens Layers × LLM tokens.
    function _creditStage(address host, uint256 amount, uint256 layerTokens) internal {
        _add({account: _accounts[host], amount: amount, layerTokens: layerTokens});
    }

    /// @dev Adds to credit and served layer tokens in one write: they are bits 0 to 95 and 96 to 159 of the slot.
    /// Neither sum can carry into its neighbour. All credits together are at most the token's supply, which fits 96
    /// bits (see ImmutableParameters). A request adds less than 2^35 layer tokens (767 layers × (2^24 + 2^16) tokens),
    /// so one host would have to serve 2^29 of the largest requests.
    function _add(Account storage account, uint256 amount, uint256 layerTokens) private {
        assembly ("memory-safe") {
            sstore(account.slot, add(sload(account.slot), add(amount, shl(96, layerTokens))))
        }
    }

    /* HOST ALLOWANCE */

    /// @dev Reserves LLM tokens of today's allowance for a request on the model that the caller's shard serves. A host
    /// with several shards has the quota of the one it names, less what it used through any of them.
    function _reserveAllowance(address host, ShardId shardId, ModelId modelId, uint256 tokens) internal {
        Stage memory served = REGISTRY.stage(shardId);
        if (served.host != host) revert NotTheShardsHost(shardId, served.host, host);
        if (!REGISTRY.isActive(shardId)) revert AllowanceShardInactive(shardId);
        if (served.modelId != modelId) revert AllowanceShardOfOtherModel(shardId, modelId, served.modelId);
        uint256 quota = _quotaDown(host, served);
        Account storage account = _accounts[host];
        uint256 used = _usedToday(account);
        if (used + tokens > quota) revert HostAllowanceExhausted(host, tokens, used < quota ? quota - used : 0);
        account.allowanceUsed = uint64(used + tokens); // at most MAX_DAILY_TOKENS
        account.allowanceDay = _day(block.timestamp);
    }

    /// @dev Returns unused LLM tokens to the day they were reserved on. Does nothing once that day is over, because a
    /// new day starts with a full quota.
    /// @param reservedAt Unix seconds at which the request was opened.
    function _returnAllowance(address host, uint256 tokens, uint256 reservedAt) internal {
        Account storage account = _accounts[host];
        uint32 today = _day(block.timestamp);
        if (_day(reservedAt) != today || account.allowanceDay != today) return;
        account.allowanceUsed -= uint64(tokens); // part of what was reserved today
    }

    /// @dev LLM tokens per day: one part in proportion to the layers served now, one in proportion to the layer tokens
    /// ever served. Each part is rounded down; the sum is capped. Each
    /// product is below 2^80.
    /// @param served A shard of the host.
    function _quotaDown(address host, Stage memory served) internal view returns (uint256 quota) {
        uint256 layerCount = REGISTRY.termsOf(served.modelId).layerCount;
        quota = uint256(DAILY_TOKENS) * (served.endLayer - served.firstLayer) / layerCount;
        quota += uint256(_accounts[host].servedLayerTokens) * SERVED_BPS / CostSplit.BPS / layerCount;
        if (quota > MAX_DAILY_TOKENS) quota = MAX_DAILY_TOKENS;
    }

    /// @dev LLM tokens used or reserved in this UTC day. What is stored for an earlier day no longer counts.
    function _usedToday(Account storage account) internal view returns (uint256) {
        return account.allowanceDay == _day(block.timestamp) ? account.allowanceUsed : 0;
    }

    /// @dev Days since 1970 in UTC; 32 bits hold 11 million years.
    function _day(uint256 time) private pure returns (uint32) {
        return uint32(time / 1 days);
    }
}
