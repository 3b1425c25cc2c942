// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {EscrowAccounts} from "./escrow/EscrowAccounts.sol";
import {EscrowParameters} from "./escrow/EscrowTerms.sol";
import {RequestAdmission} from "./escrow/RequestAdmission.sol";
import {RequestSettlement} from "./escrow/RequestSettlement.sol";
import {IInferenceEscrow} from "./interfaces/IInferenceEscrow.sol";
import {RecipientList} from "./libraries/RecipientList.sol";
import {RequestId, ShardId} from "./types/Identifiers.sol";
import {DeclineReason, Recipients, RequestRecord, RequestStatus} from "./types/Request.sol";

/// @title InferenceEscrow
/// @notice Holds a request's deposit until there is an answer or the deadline has passed.
/// @dev A request begins in RequestAdmission; it ends in RequestSettlement, or here with everything given back.
/// EscrowAccounts keeps what was earned or came back. What this contract holds is the sum of all open deposits and
/// all credits.
contract InferenceEscrow is RequestAdmission, RequestSettlement {
    using RecipientList for Recipients;

    /// @param authority The AccessManager which knows who may pause and resume new requests.
    constructor(address authority, EscrowParameters memory terms)
        AccessManaged(authority)
        EscrowAccounts(terms)
        EIP712("TeeTee Escrow", "1")
    {}

    /// @inheritdoc IInferenceEscrow
    function decline(RequestId requestId, DeclineReason reason) external nonReentrant {
        // Check:
        RequestRecord memory record = _stillOpen(requestId);
        ShardId shardId = REGISTRY.shardOf(msg.sender);
        uint256 index = record.recipients.indexOf(shardId);
        if (index == RecipientList.MAX_RECIPIENTS) revert NotARecipientsSigner(requestId, msg.sender);
        uint256 from = _takeoverAtDown(record, index);
        if (block.timestamp < from) revert DeclineTooEarly(requestId, from);
        uint256 deadline = _deadline(record);
        if (block.timestamp > deadline) revert DeclineTooLate(requestId, deadline);
        // Effect:
        _requests[requestId].status = RequestStatus.DECLINED;
        uint256 deposit = _giveBack(record);
        emit RequestDeclined({requestId: requestId, shardId: shardId, reason: reason, refund: deposit});
    }

    /// @inheritdoc IInferenceEscrow
    function refund(RequestId requestId) external nonReentrant {
        // Check:
        RequestRecord memory record = _stillOpen(requestId);
        uint256 deadline = _deadline(record);
        if (block.timestamp <= deadline) revert RefundTooEarly(requestId, deadline);
        // Effect:
        _requests[requestId].status = RequestStatus.REFUNDED;
        uint256 deposit = _giveBack(record);
        // Interaction, of which the last effect depends. The registry was bound before the first request.
        uint256 penalty;
        if (_isPaid(record)) penalty = REGISTRY.payPenalty(record.recipients.get(0), PENALTY, address(this));
        _credit(record.requester, penalty);
        emit RequestRefunded({requestId: requestId, requester: record.requester, refund: deposit, penalty: penalty});
    }

    /// @dev The whole deposit, or what was set aside of the requester's host allowance.
    function _giveBack(RequestRecord memory record) private returns (uint256 deposit) {
        deposit = _deposit(record);
        _credit(record.requester, deposit);
        if (!_isPaid(record)) _returnAllowance(record.requester, _reservedTokens(record), record.openedAt);
    }
}
