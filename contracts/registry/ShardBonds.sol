// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IShardBonds} from "../interfaces/IShardBonds.sol";
import {ShardId} from "../types/Identifiers.sol";
import {Shard, ShardStatus, SignerRecord} from "../types/Shard.sol";

/// @title ShardBonds
/// @notice Shards as they are stored, their bonds, and the payout addresses of their hosts.
/// @dev The registry's token balance is the sum of all bonds. Each function here changes the bond before it moves
/// tokens, so a token that calls back finds nothing to take twice. `BOND` and `UNBONDING_PERIOD` are fixed at
/// deployment (administration/deployment/terms.py).
abstract contract ShardBonds is AccessManaged, IShardBonds {
    using SafeERC20 for IERC20;

    /// @inheritdoc IShardBonds
    IERC20 public immutable TOKEN;

    /// @inheritdoc IShardBonds
    uint80 public immutable BOND;

    /// @inheritdoc IShardBonds
    uint32 public immutable UNBONDING_PERIOD;

    mapping(ShardId shardId => Shard enrolled) internal _shards;

    /// @dev One record per signer, for its latest shard. A shard that has left loses its record when its signer enrols
    /// another, which is only possible once the old bond is withdrawn.
    mapping(address signer => SignerRecord latest) internal _signers;

    /// @dev Zero until the host's first enrolment.
    mapping(address host => address payout) private _payouts;
    /// @dev Zero until it is bound; then fixed.
    address private _escrow;

    /// @param bond Token wei; 80 bits hold 1.2 million tokens.
    /// @param unbondingPeriod Seconds.
    constructor(IERC20 token, uint80 bond, uint32 unbondingPeriod) {
        if (unbondingPeriod == 0) revert NoUnbondingPeriod();
        TOKEN = token;
        BOND = bond;
        UNBONDING_PERIOD = unbondingPeriod;
    }

    /* PAYOUT ADDRESSES */

    /// @inheritdoc IShardBonds
    function setPayout(address host, address payout) external {
        address current = _payouts[host];
        if (msg.sender != current) revert NotThePayout(host, current, msg.sender);
        _checkPayout(payout);
        _payouts[host] = payout;
        emit PayoutSet(host, payout);
    }

    /// @inheritdoc IShardBonds
    function payoutOf(address host) external view returns (address) {
        return _payouts[host];
    }

    /// @dev The first enrolment of a host fixes its payout address; later ones must repeat it.
    function _fixPayout(address host, address payout) internal {
        address current = _payouts[host];
        if (current == payout && current != address(0)) return;
        _checkPayout(payout);
        if (current != address(0)) revert PayoutFixed(host, current, payout);
        _payouts[host] = payout;
        emit PayoutSet(host, payout);
    }

    /// @dev No function of these contracts sends on what they would receive.
    function _checkPayout(address payout) private view {
        if (payout == address(0)) revert ZeroPayout();
        if (payout == address(this) || payout == _escrow || payout == address(TOKEN)) revert PayoutRefused(payout);
    }

    /* BONDS */

    /// @dev Collects the bond of a new shard from its host: the last step of an enrolment, after the shard was stored
    /// with its bond.
    function _collectBond() internal {
        TOKEN.safeTransferFrom(msg.sender, address(this), BOND);
    }

    /// @inheritdoc IShardBonds
    /// @dev Reverts with an arithmetic panic if the bond exceeds 80 bits, 1.2 million tokens.
    function topUpBond(ShardId shardId, uint80 amount) external {
        // Check:
        if (amount == 0) revert ZeroAmount();
        Shard storage bonded = _requireShard(shardId);
        if (!_canComeBack(shardId, bonded)) revert ShardNotActive(shardId, bonded.status);
        // Effect:
        uint80 bond = bonded.bond + amount;
        bonded.bond = bond;
        emit BondToppedUp({shardId: shardId, by: msg.sender, amount: amount, bond: bond});
        // Interaction:
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IShardBonds
    /// @dev The signer's record is still this shard's: its signer cannot enrol another before this bond is withdrawn.
    function withdrawBond(ShardId shardId) external {
        // Check:
        Shard storage bonded = _requireShard(shardId);
        if (_isEnrolled(bonded.status)) revert BondInUse(shardId);
        uint80 amount = bonded.bond;
        if (amount == 0) revert NothingBonded(shardId);
        uint256 releasedAt = uint256(_signers[bonded.signer].leftAt) + UNBONDING_PERIOD;
        if (block.timestamp < releasedAt) revert BondStillLocked(shardId, releasedAt);
        // Effect:
        bonded.bond = 0;
        address payout = _payouts[bonded.host];
        emit BondWithdrawn(shardId, payout, amount);
        // Interaction:
        TOKEN.safeTransfer(payout, amount);
    }

    /* PENALTIES */

    /// @inheritdoc IShardBonds
    /// @dev Not restricted by role: the escrow is the only caller, forever. A bond that is too small pays what it
    /// holds, so that a refund never reverts.
    function payPenalty(ShardId shardId, uint256 amount, address to) external returns (uint256 paid) {
        // Check:
        if (msg.sender != _escrow) revert NotTheEscrow(msg.sender, _escrow);
        Shard storage bonded = _requireShard(shardId);
        // Effect:
        uint80 bond = bonded.bond;
        uint80 penalty = amount < bond ? uint80(amount) : bond;
        bonded.bond = bond - penalty;
        emit PenaltyPaid(shardId, amount, penalty);
        // Interaction:
        if (penalty != 0) TOKEN.safeTransfer(to, penalty);
        return penalty;
    }

    /// @inheritdoc IShardBonds
    /// @dev Set after construction, because escrow and registry name each other.
    function bindEscrow(address escrow_) external restricted {
        if (escrow_ == address(0)) revert ZeroEscrow();
        if (_escrow != address(0)) revert EscrowAlreadyBound(_escrow);
        _escrow = escrow_;
        emit EscrowBound(escrow_);
    }

    /// @inheritdoc IShardBonds
    function escrow() external view returns (address) {
        return _escrow;
    }

    /* LOOKUP */

    /// @dev Reverts for an id that was never enrolled.
    function _requireShard(ShardId shardId) internal view returns (Shard storage existing) {
        existing = _shards[shardId];
        if (existing.status == ShardStatus.NONE) revert UnknownShard(shardId);
    }

    /// @dev Whether the shard is enrolled or can be again: it was not retired, and its signer has not enrolled another,
    /// which would own the record.
    function _canComeBack(ShardId shardId, Shard storage existing) internal view returns (bool) {
        return existing.status != ShardStatus.RETIRED && _signers[existing.signer].shardId == shardId;
    }

    /// @dev Whether a shard of that status has not left.
    function _isEnrolled(ShardStatus status) internal pure returns (bool) {
        return status == ShardStatus.ACTIVE || status == ShardStatus.PAUSED;
    }
}
