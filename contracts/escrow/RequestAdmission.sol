// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
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
import {RequestBook} from "./RequestBook.sol";

/// @title RequestAdmission
/// @notice How a request begins: everything is checked, written down and announced, then it is paid.
abstract contract RequestAdmission is AccessManaged, EscrowAccounts, RequestBook {
    using SafeERC20 for IERC20;
    using RecipientList for Recipients;

    /// @inheritdoc IInferenceEscrow
    function request(RequestParameters calldata parameters) external nonReentrant returns (RequestId requestId) {
        uint256 deposit;
        (requestId, deposit) = _admit(msg.sender, parameters, true);
        _collect(deposit);
    }

    /// @inheritdoc IInferenceEscrow
    function requestWithPermit(RequestParameters calldata parameters, Permit calldata permit)
        external
        nonReentrant
        returns (RequestId requestId)
    {
        uint256 deposit;
        (requestId, deposit) = _admit(msg.sender, parameters, true);
        // Whoever sent the same permit before only did this call's work: the token allowance decides.
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
        _collect(deposit);
    }

    /// @inheritdoc IInferenceEscrow
    function requestWithAuthorization(RequestParameters calldata parameters, Authorization calldata authorization)
        external
        nonReentrant
        returns (RequestId requestId)
    {
        // Check and effect:
        address requester = authorization.from;
        uint256 deposit;
        (requestId, deposit) = _admit(requester, parameters, true);
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

    /// @inheritdoc IInferenceEscrow
    function requestOnAllowance(RequestParameters calldata parameters, ShardId shardId)
        external
        nonReentrant
        returns (RequestId requestId)
    {
        uint256 tokens = uint256(parameters.maxInputTokens) + parameters.maxOutputTokens;
        _reserveAllowance(msg.sender, shardId, parameters.modelId, tokens);
        (requestId,) = _admit(msg.sender, parameters, false);
    }

    /// @inheritdoc IInferenceEscrow
    function pauseRequests() external restricted {
        _requestsPaused = true;
        emit RequestsPausedBy(msg.sender);
    }

    /// @inheritdoc IInferenceEscrow
    function unpauseRequests() external restricted {
        address bound = REGISTRY.escrow();
        if (bound != address(this)) revert EscrowNotBound(bound);
        _requestsPaused = false;
        emit RequestsResumedBy(msg.sender);
    }

    /// @inheritdoc IInferenceEscrow
    function authorizationNonce(address requester, RequestParameters calldata parameters)
        external
        view
        returns (bytes32)
    {
        return ReceiptHash.hash(parameters, requester, address(this));
    }

    /// @dev Checks a request, writes it down and announces it. The caller sees to the payment.
    function _admit(address requester, RequestParameters calldata parameters, bool isPaid)
        private
        returns (RequestId requestId, uint256 deposit)
    {
        // Check:
        if (_requestsPaused) revert RequestsPaused();
        _checkEnvelope(parameters.envelope.length);
        RequestRecord memory record;
        record.requester = requester;
        record.openedAt = uint32(block.timestamp); // until the year 2106
        record.window = _checkedWindow(parameters.deadline);
        record.status = RequestStatus.OPEN;
        record.maxInputTokens = parameters.maxInputTokens;
        record.maxOutputTokens = parameters.maxOutputTokens;
        uint32 contextLength;
        (record.inputPrice, record.outputPrice, contextLength) = REGISTRY.priceOf(parameters.modelId);
        if (!isPaid) (record.inputPrice, record.outputPrice) = (0, 0);
        _checkCaps(parameters, contextLength);
        record.recipients = _checkedRecipients(parameters.modelId, parameters.recipients);
        deposit = _deposit(record);
        if (deposit > parameters.maxDeposit) revert DepositAboveLimit(deposit, parameters.maxDeposit);
        // Effect:
        requestId = RequestId.wrap(++_requestCount);
        _requests[requestId] = record;
        _announce(requestId, requester, deposit, parameters);
    }

    function _announce(RequestId requestId, address requester, uint256 deposit, RequestParameters calldata parameters)
        private
    {
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

    /// @dev From the caller: credit first, then tokens.
    function _collect(uint256 deposit) private {
        uint256 missing = _spendCredit(msg.sender, deposit);
        if (missing == 0) return;
        uint256 allowed = TOKEN.allowance(msg.sender, address(this));
        if (allowed < missing) revert TokenAllowanceTooLow(msg.sender, allowed, missing);
        TOKEN.safeTransferFrom(msg.sender, address(this), missing);
    }

    function _checkEnvelope(uint256 length) private view {
        if (length == 0) revert EnvelopeEmpty();
        if (length > MAX_ENVELOPE_BYTES) revert EnvelopeTooLarge(length, MAX_ENVELOPE_BYTES);
    }

    function _checkedWindow(uint256 deadline) private view returns (uint16) {
        if (deadline <= block.timestamp) revert DeadlinePassed(deadline, block.timestamp);
        uint256 earliest = block.timestamp + MIN_WINDOW;
        if (deadline < earliest) revert DeadlineTooNear(deadline, earliest);
        uint256 latest = block.timestamp + MAX_WINDOW;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
        return uint16(deadline - block.timestamp); // at most MAX_WINDOW
    }

    function _checkCaps(RequestParameters calldata parameters, uint256 contextLength) private pure {
        if (parameters.maxInputTokens == 0 || parameters.maxOutputTokens == 0) {
            revert ZeroCap(parameters.maxInputTokens, parameters.maxOutputTokens);
        }
        uint256 tokens = uint256(parameters.maxInputTokens) + parameters.maxOutputTokens;
        if (tokens > contextLength) revert CapsAboveContext(tokens, contextLength);
    }

    function _checkedRecipients(ModelId modelId, ShardId[] calldata shardIds)
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
            (ModelId served, bool isEntry, bool isActive) = REGISTRY.standingOf(shardId);
            if (served != modelId) revert RecipientOfOtherModel(shardId, modelId, served);
            if (!isEntry) revert RecipientNotEntry(shardId);
            if (!isActive) revert RecipientInactive(shardId);
            recipients = recipients.with(i, shardId);
        }
    }
}
