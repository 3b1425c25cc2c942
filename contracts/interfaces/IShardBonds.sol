// SPDX-License-Identifier: Apache-2.0
pragma solidity >=0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ShardId} from "../types/Identifiers.sol";
import {ShardStatus} from "../types/Shard.sol";

/// @title IShardBonds
/// @notice The tokens that hosts deposit with the registry, one bond per shard, and the address of each host's
/// earnings.
/// @dev A bond leaves in two ways only: as a penalty, to the requester that the escrow names, or to the host's payout
/// address, once the shard has been gone for `UNBONDING_PERIOD`. A bond that a penalty has reduced is not refilled by
/// itself: the shard gets no new requests until {topUpBond} makes it whole, and one that was evicted does not come back
/// before.
interface IShardBonds {
    /* SHARDS */

    /// @notice There is no shard of that id.
    error UnknownShard(ShardId shardId);

    /// @notice The shard has left, as `status` says.
    error ShardNotActive(ShardId shardId, ShardStatus status);

    /* PAYOUT ADDRESSES */

    /// @notice A payout address cannot be zero.
    error ZeroPayout();

    /// @notice The registry, its escrow and its token cannot be payout addresses: tokens sent there would be lost.
    error PayoutRefused(address payout);

    /// @notice The host's earnings go to `payout`, which alone can change that, by {setPayout}.
    error PayoutFixed(address host, address payout, address given);

    /// @notice Only `payout` itself can name another payout address of `host`.
    error NotThePayout(address host, address payout, address caller);

    /// @notice The earnings and released bonds of `host` go to `payout` from now on.
    event PayoutSet(address indexed host, address indexed payout);

    /// @notice Names another address for the earnings of `host`. Only the current payout address.
    /// @dev So a stolen host key diverts nothing. Credit that the host already has is paid to the new address too.
    /// Reverts with {NotThePayout}, {ZeroPayout} or {PayoutRefused}.
    function setPayout(address host, address payout) external;

    /// @notice Where the earnings of `host` go; zero: it never enrolled a shard.
    function payoutOf(address host) external view returns (address);

    /* BONDS */

    /// @notice The amount to add is zero.
    error ZeroAmount();

    /// @notice The unbonding period given to the constructor is zero.
    error NoUnbondingPeriod();

    /// @notice The shard has not left, so its bond is in use. Retire it first.
    error BondInUse(ShardId shardId);

    /// @notice The bond can be withdrawn from `releasedAt` (Unix seconds) on.
    error BondStillLocked(ShardId shardId, uint256 releasedAt);

    /// @notice The shard has left, and its bond is not whole: it was withdrawn, or reduced by penalties.
    error BondNotWhole(ShardId shardId, uint256 bond, uint256 needed);

    /// @notice The shard has no bond: it was withdrawn, or penalties used it up.
    error NothingBonded(ShardId shardId);

    /// @notice `by` added `amount` to the shard's bond, which is now `bond`. In token wei.
    event BondToppedUp(ShardId indexed shardId, address indexed by, uint256 amount, uint256 bond);

    /// @notice The whole bond of a shard that left was paid out.
    /// @param amount Token wei.
    event BondWithdrawn(ShardId indexed shardId, address indexed payout, uint256 amount);

    /// @notice Adds `amount` token wei to the bond of a shard that is enrolled, or was evicted and may come back.
    /// Anyone may call, and pays. Until the shard comes back, its bond can be withdrawn again.
    /// @dev Reverts with {ZeroAmount}, {UnknownShard}, {ShardNotActive} if the shard was retired or its signer has
    /// enrolled another, or as the token reverts.
    function topUpBond(ShardId shardId, uint80 amount) external;

    /// @notice Pays the whole bond of a shard that left at least `UNBONDING_PERIOD` ago to its host's payout address.
    /// Anyone may call.
    /// @dev Reverts with {UnknownShard}, {BondInUse}, {NothingBonded} or {BondStillLocked}.
    function withdrawBond(ShardId shardId) external;

    /// @notice What bonds are posted in.
    function TOKEN() external view returns (IERC20);

    /// @notice Token wei that a shard's bond must hold for the shard to be active.
    function BOND() external view returns (uint80);

    /// @notice Seconds between a shard's leaving and the release of its bond.
    function UNBONDING_PERIOD() external view returns (uint32);

    /* PENALTIES */

    /// @notice Only the bound escrow collects penalties.
    error NotTheEscrow(address caller, address escrow);

    /// @notice An escrow is bound already, and it is bound forever.
    error EscrowAlreadyBound(address escrow);

    /// @notice The escrow to bind is the zero address.
    error ZeroEscrow();

    /// @notice A penalty of `amount` was due; the bond had `paid` of it. In token wei.
    event PenaltyPaid(ShardId indexed shardId, uint256 amount, uint256 paid);

    /// @notice The escrow was bound.
    event EscrowBound(address indexed escrow);

    /// @notice Moves `amount` token wei, or as much as there is, from a shard's bond to `to`. Only the escrow.
    /// @dev Also from a shard that has left, as long as its bond is here. Reverts with {NotTheEscrow} or
    /// {UnknownShard}.
    /// @return paid Token wei; zero if the bond is empty.
    function payPenalty(ShardId shardId, uint256 amount, address to) external returns (uint256 paid);

    /// @notice Binds the escrow, once and forever. Only the admin.
    /// @dev Reverts with {ZeroEscrow} or {EscrowAlreadyBound}.
    function bindEscrow(address escrow_) external;

    /// @notice The escrow, which alone collects penalties; zero until it is bound.
    function escrow() external view returns (address);
}
