// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {Account} from "../types/Account.sol";
import {ModelId, ShardId} from "../types/Identifiers.sol";

/// @title IEscrowAccounts
/// @notice What everybody has earned or got back, and what hosts may use for free.
/// @dev Nothing here can be paused.
interface IEscrowAccounts {
    error NothingToWithdraw(address account);
    error NotTheShardsHost(ShardId shardId, address host, address caller);
    error AllowanceShardInactive(ShardId shardId);
    error AllowanceShardOfOtherModel(ShardId shardId, ModelId expected, ModelId actual);

    /// @notice The request could use `needed` LLM tokens; `left` remain of today's allowance.
    error HostAllowanceExhausted(address host, uint256 needed, uint256 left);

    /// @notice An authorization was worth more than its request.
    event SurplusCredited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Pays an account's whole credit: a host's to its payout address, anybody else's to the account itself.
    /// By anyone.
    function withdraw(address account) external;

    function accountOf(address account) external view returns (Account memory);

    /// @notice LLM tokens which the host of `shardId` may use in this UTC day, and how many of them are used or
    /// reserved.
    /// @dev The quota is one shard's; what is used counts for the host, whichever shard it names.
    function allowanceOf(address host, ShardId shardId) external view returns (uint256 quota, uint256 used);

    /// @notice LLM tokens per day for who serves a whole model; others in proportion to their layers.
    function DAILY_TOKENS() external view returns (uint64);

    /// @notice Share of the tokens ever served that is added to each day's quota, in 1/10000.
    function SERVED_BPS() external view returns (uint16);

    /// @notice No quota is larger.
    function MAX_DAILY_TOKENS() external view returns (uint64);
}
