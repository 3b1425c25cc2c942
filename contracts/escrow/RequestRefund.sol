// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RecipientList} from "../libraries/RecipientList.sol";
import {RequestId, ShardId} from "../types/Identifiers.sol";
import {DeclineReason, Recipients, RequestRecord, RequestStatus} from "../types/Request.sol";
import {EscrowAccounts} from "./EscrowAccounts.sol";
import {RequestStorage} from "./RequestStorage.sol";

/// @title RequestRefund
/// @notice Ends requests without an answer: who may decline, what the requester gets back, what a missed deadline
/// costs.
/// @dev The requester always gets the whole deposit back. A decline costs the recipient nothing. A missed deadline of a
/// paid request costs the primary `PENALTY`, even if another recipient could have taken over: the amount moves from its
/// bond to the requester's credit. A bond that this leaves below the registry's `BOND` gets the shard no new requests
/// until {IShardBonds.topUpBond} makes it whole.
///
/// A primary that has left still pays: its bond stays locked for longer than any request's window (see
/// ImmutableParameters). `PENALTY` is fixed at deployment (administration/deployment/terms.py).
abstract contract RequestRefund is EscrowAccounts, RequestStorage {
    using RecipientList for Recipients;

    /* DECLINE */

    /// @dev Checks that the sender is the enclave signer of a recipient, that its turn has come, and that the deadline
    /// has not passed. The registry knows the signer's shard; a signer has one shard at a time.
    function _requireDecliner(RequestId requestId, RequestRecord memory record)
        internal
        view
        returns (ShardId shardId)
    {
        shardId = REGISTRY.shardOf(msg.sender);
        uint256 index = record.recipients.indexOf(shardId);
        if (index == RecipientList.MAX_RECIPIENTS) revert NotARecipientsSigner(requestId, msg.sender);
        uint256 from = _takeoverAtDown(record, index);
        if (block.timestamp < from) revert DeclineTooEarly(requestId, from);
        uint256 deadline = _deadline(record);
        if (block.timestamp > deadline) revert DeclineTooLate(requestId, deadline);
    }

    /// @dev Ends an open request without an answer. `record` is the request as it is stored.
    function _decline(RequestId requestId, RequestRecord memory record, DeclineReason reason) internal {
        // Check:
        ShardId shardId = _requireDecliner(requestId, record);
        // Effect:
        _requests[requestId].status = RequestStatus.DECLINED;
        uint256 deposit = _refundDeposit(record);
        emit RequestDeclined({requestId: requestId, shardId: shardId, reason: reason, refund: deposit});
    }

    /* DEPOSIT */

    /// @dev Credits the whole deposit to the requester, or returns the whole reservation to the host's allowance. The
    /// caller has already ended the request, so this happens once.
    /// @return deposit Token wei; zero on a host's allowance.
    function _refundDeposit(RequestRecord memory record) internal returns (uint256 deposit) {
        deposit = _deposit(record);
        _credit(record.requester, deposit);
        if (!_isPaid(record)) _returnAllowance(record.requester, _reservedTokens(record), record.openedAt);
    }

    /* PENALTY */

    /// @dev Moves the penalty from the primary's bond to this contract and credits it to the requester. The credit
    /// follows the call, because only the registry knows how much the bond holds.
    /// @return penalty Token wei; zero on a host's allowance, less than `PENALTY` if the bond holds less.
    function _collectPenalty(RequestRecord memory record) internal returns (uint256 penalty) {
        if (!_isPaid(record)) return 0;
        penalty = REGISTRY.payPenalty(record.recipients.get(0), PENALTY, address(this));
        _credit(record.requester, penalty);
    }
}
