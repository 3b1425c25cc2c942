// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IShardBonds} from "../interfaces/IShardBonds.sol";
import {ShardId} from "../types/Identifiers.sol";
import {Shard, ShardStatus, SignerRecord} from "../types/Shard.sol";

/// @title ShardBonds
/// @notice The registry's half about money. What this contract holds is the sum of all bonds.
abstract contract ShardBonds is AccessManaged, IShardBonds {
    using SafeERC20 for IERC20;

    /// @inheritdoc IShardBonds
    IERC20 public immutable TOKEN;

    /// @inheritdoc IShardBonds
    uint80 public immutable BOND;

    /// @inheritdoc IShardBonds
    uint32 public immutable UNBONDING_PERIOD;

    mapping(ShardId shardId => Shard enrolled) internal _shards;
    mapping(address signer => SignerRecord latest) internal _signers;
    mapping(address host => address payout) private _payouts;
    address private _escrow;

    constructor(IERC20 token, uint80 bond, uint32 unbondingPeriod) {
        if (unbondingPeriod == 0) revert NoUnbondingPeriod();
        TOKEN = token;
        BOND = bond;
        UNBONDING_PERIOD = unbondingPeriod;
    }

    /// @inheritdoc IShardBonds
    function bindEscrow(address escrow_) external restricted {
        if (escrow_ == address(0)) revert ZeroEscrow();
        if (_escrow != address(0)) revert EscrowAlreadyBound(_escrow);
        _escrow = escrow_;
        emit EscrowBound(escrow_);
    }

    /* PAYOUT ADDRESSES */

    /// @inheritdoc IShardBonds
    function setPayout(address host, address payout) external {
        address present = _payouts[host];
        if (msg.sender != present) revert NotThePayout(host, present, msg.sender);
        if (payout == address(0)) revert ZeroPayout();
        _payouts[host] = payout;
        emit PayoutSet(host, payout);
    }

    /// @dev The first enrolment of a host decides; later ones have to agree.
    function _settlePayout(address host, address payout) internal {
        if (payout == address(0)) revert ZeroPayout();
        address present = _payouts[host];
        if (present == payout) return;
        if (present != address(0)) revert PayoutFixed(host, present, payout);
        _payouts[host] = payout;
        emit PayoutSet(host, payout);
    }

    /* BONDS */

    /// @dev The last step of an enrolment, by the host: the shard is stored with its bond already.
    function _takeBond() internal {
        TOKEN.safeTransferFrom(msg.sender, address(this), BOND);
    }

    /// @inheritdoc IShardBonds
    function topUpBond(ShardId shardId, uint80 amount) external {
        // Check:
        if (amount == 0) revert ZeroAmount();
        Shard storage bonded = _enrolled(shardId);
        if (!_isEnlisted(bonded.status)) revert ShardNotActive(shardId, bonded.status);
        // Effect:
        uint80 bond = bonded.bond + amount;
        bonded.bond = bond;
        emit BondToppedUp({shardId: shardId, by: msg.sender, amount: amount, bond: bond});
        // Interaction:
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IShardBonds
    function withdrawBond(ShardId shardId) external {
        // Check:
        Shard storage bonded = _enrolled(shardId);
        if (_isEnlisted(bonded.status)) revert BondInUse(shardId);
        uint80 amount = bonded.bond;
        if (amount == 0) revert NothingBonded(shardId);
        // The record is this shard's: its signer can't be enrolled anew before this bond is gone.
        uint256 releasedAt = uint256(_signers[bonded.signer].leftAt) + UNBONDING_PERIOD;
        if (block.timestamp < releasedAt) revert BondStillLocked(shardId, releasedAt);
        // Effect:
        bonded.bond = 0;
        address payout = _payouts[bonded.host];
        emit BondWithdrawn(shardId, payout, amount);
        // Interaction:
        TOKEN.safeTransfer(payout, amount);
    }

    /// @inheritdoc IShardBonds
    function payPenalty(ShardId shardId, uint256 amount, address to) external returns (uint256 paid) {
        // Check:
        if (msg.sender != _escrow) revert NotTheEscrow(msg.sender, _escrow);
        Shard storage bonded = _enrolled(shardId);
        // Effect:
        uint80 bond = bonded.bond;
        uint80 taken = amount < bond ? uint80(amount) : bond;
        bonded.bond = bond - taken;
        emit PenaltyPaid(shardId, amount, taken);
        // Interaction:
        if (taken != 0) TOKEN.safeTransfer(to, taken);
        return taken;
    }

    /* VIEWS */

    /// @inheritdoc IShardBonds
    function payoutOf(address host) external view returns (address) {
        return _payouts[host];
    }

    /// @inheritdoc IShardBonds
    function escrow() external view returns (address) {
        return _escrow;
    }

    function _enrolled(ShardId shardId) internal view returns (Shard storage enrolled) {
        enrolled = _shards[shardId];
        if (enrolled.status == ShardStatus.NONE) revert UnknownShard(shardId);
    }

    /// @dev Whether a shard hasn't left.
    function _isEnlisted(ShardStatus status) internal pure returns (bool) {
        return status == ShardStatus.ACTIVE || status == ShardStatus.PAUSED;
    }
}
