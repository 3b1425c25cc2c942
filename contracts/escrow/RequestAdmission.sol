// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ReceiptHash} from "../libraries/ReceiptHash.sol";
import {RecipientList} from "../libraries/RecipientList.sol";
import {ModelId, RequestId, ShardId} from "../types/Identifiers.sol";
import {
    Authorization,
    Permit,
    Recipients,
    RequestParameters,
    RequestRecord,
    RequestStatus
} from "../types/Request.sol";
import {EscrowAccounts} from "./EscrowAccounts.sol";
import {RequestStorage} from "./RequestStorage.sol";

/// @title RequestAdmission
/// @notice Opens requests and collects their deposits.
/// @dev A request is checked, stored and announced first, then paid for. If the payment fails, all of it reverts. What
/// is checked here holds until the request ends: model, caps, prices and recipients never change. Whether the
/// recipients stay active is not guaranteed.
abstract contract RequestAdmission is EscrowAccounts, RequestStorage {
    using SafeERC20 for IERC20;
    using RecipientList for Recipients;

    /* OPENING */

    /// @dev Checks a request, stores it and emits {RequestOpened}. The caller collects the deposit, which is in token
    /// wei. The record is built in memory and written once, to two slots; the envelope and the
    /// rest of the nonce are only in the event.
    /// @param requester Pays the deposit and gets refunds. Not always the sender of the call.
    /// @param isPaid False: on a host's allowance, which the caller has reserved. Prices and deposit are then zero.
    function _openRequest(address requester, RequestParameters calldata parameters, bool isPaid)
        internal
        returns (RequestId requestId, uint256 deposit)
    {
        // Check:
        if (_requestsPaused) revert RequestsPaused();
        _checkEnvelope(parameters.envelope.length);
        RequestRecord memory record;
        record.requester = requester;
        record.openedAt = uint32(block.timestamp); // until the year 2106
        record.window = _windowUntil(parameters.deadline);
        record.status = RequestStatus.OPEN;
        record.maxInputTokens = parameters.maxInputTokens;
        record.maxOutputTokens = parameters.maxOutputTokens;
        uint32 contextLength;
        (record.inputPrice, record.outputPrice, contextLength) = REGISTRY.priceOf(parameters.modelId);
        if (!isPaid) (record.inputPrice, record.outputPrice) = (0, 0);
        _checkCaps(parameters, contextLength);
        record.noncePrefix = bytes4(parameters.clientNonce);
        record.recipients = _packRecipients(parameters.modelId, parameters.recipients);
        deposit = _deposit(record); // caps × prices: RequestStorage
        if (deposit > parameters.maxDeposit) revert DepositAboveLimit(deposit, parameters.maxDeposit);
        // Effect:
        requestId = RequestId.wrap(++_requestCount);
        _requests[requestId] = record;
        _emitRequestOpened(requestId, requester, deposit, parameters);
    }

    /// @dev A function of its own, because the event's ten values and the caller's do not fit on one stack.
    function _emitRequestOpened(
        RequestId requestId,
        address requester,
        uint256 deposit,
        RequestParameters calldata parameters
    ) private {
        emit RequestOpened({
            requestId: requestId,
            requester: requester,
            modelId: parameters.modelId,
            recipients: parameters.recipients,
            maxInputTokens: parameters.maxInputTokens,
            maxOutputTokens: parameters.maxOutputTokens,
            deposit: deposit,
            deadline: parameters.deadline,
            clientNonce: parameters.clientNonce,
            envelope: parameters.envelope
        });
    }

    /* PAYMENT */

    /// @dev Collects a deposit from the caller: credit first, then tokens. Compares the token allowance itself, so that
    /// the error names what is missing. The transfer may still fail for want of balance, as the token reverts.
    function _collect(uint256 deposit) internal {
        uint256 missing = _spendCredit(msg.sender, deposit);
        if (missing == 0) return;
        uint256 allowed = TOKEN.allowance(msg.sender, address(this));
        if (allowed < missing) revert TokenAllowanceTooLow(msg.sender, allowed, missing);
        TOKEN.safeTransferFrom(msg.sender, address(this), missing);
    }

    /// @dev Submits the caller's permit. It may fail: once a permit is public, anyone can submit it before this call,
    /// which then only finds the allowance already set. {_collect} decides.
    function _submitPermit(Permit calldata permit) internal {
        try IERC20Permit(address(TOKEN))
            .permit({
            owner: msg.sender,
            spender: address(this),
            value: permit.value,
            deadline: permit.deadline,
            v: permit.v,
            r: permit.r,
            s: permit.s
        }) {}
            catch {}
    }

    /// @dev Collects a deposit from the authorization's signer: credit first, then the authorized value, of which the
    /// surplus becomes credit. The nonce is computed here, so an authorization for any other request is invalid.
    function _collectAuthorized(
        RequestParameters calldata parameters,
        Authorization calldata authorization,
        uint256 deposit
    ) internal {
        // Check and effect:
        address requester = authorization.from;
        uint256 missing = _spendCredit(requester, deposit);
        if (authorization.value < missing) {
            revert AuthorizationTooLow(requester, authorization.value + deposit - missing, deposit);
        }
        uint256 surplus = authorization.value - missing;
        if (surplus != 0) {
            _credit(requester, surplus);
            emit SurplusCredited(requester, surplus);
        }
        // Interaction:
        IERC3009(address(TOKEN))
            .receiveWithAuthorization({
            from: requester,
            to: address(this),
            value: authorization.value,
            validAfter: authorization.validAfter,
            validBefore: authorization.validBefore,
            nonce: ReceiptHash.hash(parameters, requester, address(this)),
            v: authorization.v,
            r: authorization.r,
            s: authorization.s
        });
    }

    /* CHECKS */

    /// @dev What is in the envelope cannot be checked here; a recipient that cannot open it declines.
    function _checkEnvelope(uint256 length) private view {
        if (length == 0) revert EnvelopeEmpty();
        if (length > MAX_ENVELOPE_BYTES) revert EnvelopeTooLarge(length, MAX_ENVELOPE_BYTES);
    }

    /// @dev Seconds from now until the deadline. Storing these instead of the deadline saves 16 bits of the slot.
    function _windowUntil(uint256 deadline) private view returns (uint16) {
        if (deadline <= block.timestamp) revert DeadlinePassed(deadline, block.timestamp);
        uint256 earliest = block.timestamp + MIN_WINDOW;
        if (deadline < earliest) revert DeadlineTooNear(deadline, earliest);
        uint256 latest = block.timestamp + MAX_WINDOW;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
        return uint16(deadline - block.timestamp); // at most MAX_WINDOW
    }

    /// @dev Both caps are needed: an empty prompt or an empty answer has nothing to settle. The context length bounds
    /// the sum, because input and output share the model's positions.
    function _checkCaps(RequestParameters calldata parameters, uint256 contextLength) private pure {
        if (parameters.maxInputTokens == 0 || parameters.maxOutputTokens == 0) {
            revert ZeroCap(parameters.maxInputTokens, parameters.maxOutputTokens);
        }
        uint256 tokens = uint256(parameters.maxInputTokens) + parameters.maxOutputTokens;
        if (tokens > contextLength) revert CapsAboveContext(tokens, contextLength);
    }

    /// @dev Checks every recipient and packs their ids into one word, the primary in the lowest bits. Each must be able
    /// to serve alone: an entry of this model that is active now. At most four, so comparing each with those before it
    /// is cheaper than any set. Each costs one call of the registry.
    function _packRecipients(ModelId modelId, ShardId[] calldata shardIds)
        private
        view
        returns (Recipients recipients)
    {
        uint256 count = shardIds.length;
        if (count == 0) revert NoRecipients();
        if (count > RecipientList.MAX_RECIPIENTS) revert TooManyRecipients(count, RecipientList.MAX_RECIPIENTS);
        for (uint256 i = 0; i < count; ++i) {
            ShardId shardId = shardIds[i];
            if (recipients.indexOf(shardId) != RecipientList.MAX_RECIPIENTS) revert DuplicateRecipient(shardId);
            (ModelId served, bool isEntry, bool isActive) = REGISTRY.recipientStatus(shardId);
            if (served != modelId) revert RecipientOfOtherModel(shardId, modelId, served);
            if (!isEntry) revert RecipientNotEntry(shardId);
            if (!isActive) revert RecipientInactive(shardId);
            recipients = recipients.set(i, shardId);
        }
    }
}
