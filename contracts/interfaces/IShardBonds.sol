// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ShardId} from "../types/Identifiers.sol";
import {ShardStatus} from "../types/Shard.sol";

/// @title IShardBonds
/// @notice The tokens which hosts leave with the registry, one bond per shard, and where their earnings go.
/// @dev A bond leaves in two ways only: as a penalty to the escrow's requester, or to the host's payout address, some
/// time after the shard has left.
interface IShardBonds {
    error UnknownShard(ShardId shardId);
    error ShardNotActive(ShardId shardId, ShardStatus status);
    error ZeroPayout();
    error ZeroAmount();

    /// @notice The unbonding period is set to zero.
    error NoUnbondingPeriod();

    /// @notice The host's earnings already go elsewhere, and only that address can change it, by `setPayout`.
    error PayoutFixed(address host, address payout, address given);

    /// @notice Only `payout` itself can name another payout address of `host`.
    error NotThePayout(address host, address payout, address caller);

    /// @notice The shard is still enrolled; retire it first.
    error BondInUse(ShardId shardId);

    /// @notice The bond can be withdrawn from `releasedAt` (Unix seconds) on.
    error BondStillLocked(ShardId shardId, uint256 releasedAt);

    error NothingBonded(ShardId shardId);
    error NotTheEscrow(address caller, address escrow);
    error EscrowAlreadyBound(address escrow);
    error ZeroEscrow();

    event PayoutSet(address indexed host, address indexed payout);
    event BondToppedUp(ShardId indexed shardId, address indexed by, uint256 amount, uint256 bond);
    event BondWithdrawn(ShardId indexed shardId, address indexed payout, uint256 amount);

    /// @notice `amount` was asked for, `paid` was there.
    event PenaltyPaid(ShardId indexed shardId, uint256 amount, uint256 paid);
    event EscrowBound(address indexed escrow);

    /// @notice Names another address for the earnings of `host`. Only the present payout address can do this, so that
    /// a stolen host key diverts nothing.
    function setPayout(address host, address payout) external;

    /// @notice Adds to the bond of an active shard, or of one that would be active but for its bond. By anyone.
    function topUpBond(ShardId shardId, uint80 amount) external;

    /// @notice Pays the whole bond of a shard that left at least `UNBONDING_PERIOD` ago to its host's payout address.
    /// By anyone.
    function withdrawBond(ShardId shardId) external;

    /// @notice Takes `amount`, or what is there, from a shard's bond and pays it to `to`. By the escrow alone.
    function payPenalty(ShardId shardId, uint256 amount, address to) external returns (uint256 paid);

    /// @notice Names the escrow, once and for ever. Restricted.
    function bindEscrow(address escrow_) external;

    /// @notice Where the earnings of `host` go; zero: it never enrolled a shard.
    function payoutOf(address host) external view returns (address);

    /// @notice The escrow, which alone takes penalties; zero until it is bound.
    function escrow() external view returns (address);

    /// @notice What bonds are posted in.
    function TOKEN() external view returns (IERC20);

    /// @notice Token wei which a shard must have as its bond to be active.
    function BOND() external view returns (uint80);

    /// @notice Seconds between a shard's leaving and the release of its bond.
    function UNBONDING_PERIOD() external view returns (uint32);
}
