// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {Account} from "../types/Account.sol";
import {ModelId, ShardId} from "../types/Identifiers.sol";

/// @title IEscrowAccounts
/// @notice One account per address: its credit in tokens, and, for a host, its allowance of free LLM tokens.
/// @dev Credited are: requesters, with refunds, penalties and surpluses; hosts, with their shares of settled requests;
/// the treasury, with fees; royalty recipients, with royalties. Credit is paid on demand, by {withdraw}, or spent on
/// the account's next request. It bears no interest and never expires. No role can pause, block or redirect a
/// withdrawal.
///
/// The allowance lets hosts use the network that they serve. It is counted in LLM tokens per UTC day: a part for the
/// layers that the host serves now, and a part for all that it has served. Allowances are not money: they cannot be
/// transferred, saved or withdrawn.
interface IEscrowAccounts {
    /* CREDIT */

    /// @notice The account has no credit.
    error NothingToWithdraw(address account);

    /// @notice An authorization was worth more than was due for its request; the surplus became credit.
    /// @param amount Token wei.
    event SurplusCredited(address indexed account, uint256 amount);

    /// @notice The whole credit of `account` was paid to `to`.
    /// @param amount Token wei.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Pays the whole credit of `account`: a host's to its payout address, any other to the account itself.
    /// Anyone may call.
    /// @dev Reverts with {NothingToWithdraw}, or as the token reverts.
    function withdraw(address account) external;

    /// @notice The account as it is stored; all zero for an address that never had credit or used an allowance.
    function accountOf(address account) external view returns (Account memory);

    /* HOST ALLOWANCE */

    /// @notice Only the shard's host can ask on its allowance.
    error NotTheShardsHost(ShardId shardId, address host, address caller);

    /// @notice The shard is not active, so its host has no allowance through it.
    error AllowanceShardInactive(ShardId shardId);

    /// @notice The request is for model `expected`, the shard serves `actual`.
    error AllowanceShardOfOtherModel(ShardId shardId, ModelId expected, ModelId actual);

    /// @notice The request could use `needed` LLM tokens; `left` remain of today's allowance.
    error HostAllowanceExhausted(address host, uint256 needed, uint256 left);

    /// @notice LLM tokens that the host of `shardId` may use in this UTC day, and how many are used or reserved.
    /// @dev The quota depends on the shard that is named. Usage is counted per host, whichever shard it names.
    /// @return quota Zero if `host` does not own the shard or the shard is not active.
    /// @return used Includes the caps of today's open requests, until they end.
    function allowanceOf(address host, ShardId shardId) external view returns (uint256 quota, uint256 used);
}
