// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IEscrowAccounts} from "../interfaces/IEscrowAccounts.sol";
import {CostSplit} from "../libraries/CostSplit.sol";
import {Account} from "../types/Account.sol";
import {ModelId, ShardId} from "../types/Identifiers.sol";
import {Stage} from "../types/Shard.sol";
import {EscrowParameters, EscrowTerms} from "./EscrowTerms.sol";

/// @title EscrowAccounts
/// @notice Credits and host allowances.
abstract contract EscrowAccounts is EscrowTerms, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc IEscrowAccounts
    uint64 public immutable DAILY_TOKENS;

    /// @inheritdoc IEscrowAccounts
    uint16 public immutable SERVED_BPS;

    /// @inheritdoc IEscrowAccounts
    uint64 public immutable MAX_DAILY_TOKENS;

    mapping(address holder => Account account) private _accounts;

    constructor(EscrowParameters memory terms) EscrowTerms(terms) {
        DAILY_TOKENS = terms.dailyTokens;
        SERVED_BPS = terms.servedBps;
        MAX_DAILY_TOKENS = terms.maxDailyTokens;
    }

    /* CREDITS */

    /// @inheritdoc IEscrowAccounts
    function withdraw(address account) external nonReentrant {
        // Check:
        uint256 amount = _accounts[account].credit;
        if (amount == 0) revert NothingToWithdraw(account);
        address payout = REGISTRY.payoutOf(account);
        address to = payout == address(0) ? account : payout;
        // Effect:
        _accounts[account].credit = 0;
        emit Withdrawn(account, to, amount);
        // Interaction:
        TOKEN.safeTransfer(to, amount);
    }

    /// @inheritdoc IEscrowAccounts
    function accountOf(address account) external view returns (Account memory) {
        return _accounts[account];
    }

    function _credit(address account, uint256 amount) internal {
        if (amount != 0) _add({account: _accounts[account], amount: amount, layerTokens: 0});
    }

    /// @dev Spends credit first; returns what is still to be paid. One wei stays: a slot that isn't emptied needn't
    /// be made anew by the refund of the request which is being paid, and that saves 17,100 gas.
    function _spendCredit(address account, uint256 amount) internal returns (uint256 missing) {
        uint256 credit = _accounts[account].credit;
        if (credit < 2) return amount;
        uint256 spent = amount < credit ? amount : credit - 1;
        _accounts[account].credit = uint96(credit - spent);
        return amount - spent;
    }

    /// @dev What a paid stage brings its host: its share, and a larger allowance.
    function _creditStage(address host, uint256 amount, uint256 layerTokens) internal {
        _add({account: _accounts[host], amount: amount, layerTokens: layerTokens});
    }

    /// @dev Adds to credit and served layer tokens at once: they are the lowest 96 bits of their slot and the next
    /// 64. Neither can run into its neighbour. All credits together are at most the token's supply, which fits 96
    /// bits (see EscrowTerms). A request adds less than 2^35 layer tokens (767 layers, 2^24 + 2^16 tokens), so that
    /// one host would have to serve 2^29 of the largest.
    function _add(Account storage account, uint256 amount, uint256 layerTokens) private {
        assembly ("memory-safe") {
            sstore(account.slot, add(sload(account.slot), add(amount, shl(96, layerTokens))))
        }
    }

    /* HOST ALLOWANCE */

    /// @inheritdoc IEscrowAccounts
    function allowanceOf(address host, ShardId shardId) external view returns (uint256 quota, uint256 used) {
        Stage memory served = REGISTRY.stage(shardId);
        if (served.host == host && REGISTRY.isActive(shardId)) quota = _quotaDown(host, served);
        used = _usedToday(_accounts[host]);
    }

    /// @dev Sets `tokens` of today's allowance aside for a request on the model of the caller's shard.
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

    /// @dev Gives back what a request had set aside and not used, if that was today's.
    function _returnAllowance(address host, uint256 tokens, uint256 reservedAt) internal {
        Account storage account = _accounts[host];
        uint32 today = _day(block.timestamp);
        if (_day(reservedAt) != today || account.allowanceDay != today) return;
        account.allowanceUsed -= uint64(tokens); // part of what was set aside today
    }

    /// @dev LLM tokens per day: in proportion to the layers served now, and to the layers × tokens served ever.
    function _quotaDown(address host, Stage memory served) private view returns (uint256 quota) {
        uint256 layerCount = REGISTRY.termsOf(served.modelId).layerCount;
        quota = uint256(DAILY_TOKENS) * (served.endLayer - served.firstLayer) / layerCount;
        quota += uint256(_accounts[host].servedLayerTokens) * SERVED_BPS / CostSplit.BPS / layerCount;
        if (quota > MAX_DAILY_TOKENS) quota = MAX_DAILY_TOKENS;
    }

    function _usedToday(Account storage account) private view returns (uint256) {
        return account.allowanceDay == _day(block.timestamp) ? account.allowanceUsed : 0;
    }

    function _day(uint256 time) private pure returns (uint32) {
        return uint32(time / 1 days);
    }
}
