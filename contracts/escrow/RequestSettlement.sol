// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {CostSplit} from "../libraries/CostSplit.sol";
import {RecipientList} from "../libraries/RecipientList.sol";
import {ShardSlots} from "../libraries/ShardSlots.sol";
import {RequestId, ShardId} from "../types/Identifiers.sol";
import {ModelTerms} from "../types/Model.sol";
import {Recipients, RequestRecord, RequestStatus} from "../types/Request.sol";
import {SettlementParameters, Split, StageReceiptParameters} from "../types/Settlement.sol";
import {Stage} from "../types/Shard.sol";
import {EscrowAccounts} from "./EscrowAccounts.sol";
import {PathVerification} from "./PathVerification.sol";
import {RequestBook} from "./RequestBook.sol";

/// @title RequestSettlement
/// @notice How a request is answered and its path paid.
abstract contract RequestSettlement is EscrowAccounts, RequestBook, PathVerification {
    using RecipientList for Recipients;

    /// @inheritdoc IInferenceEscrow
    function settle(SettlementParameters calldata parameters) external nonReentrant {
        RequestRecord memory record = _stillOpen(parameters.requestId);
        uint256 deadline = _deadline(record);
        if (block.timestamp > deadline) revert SettlementTooLate(parameters.requestId, deadline);
        _settle(parameters, record);
    }

    /// @inheritdoc IInferenceEscrow
    function settleBatch(SettlementParameters[] calldata batch) external nonReentrant {
        for (uint256 i = 0; i < batch.length; ++i) {
            uint256 free;
            assembly ("memory-safe") {
                free := mload(0x40)
            }
            _settleOrSkip(batch[i]);
            // Nothing that this settlement kept in memory is needed any more, and memory grows dearer with its size.
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
        }
    }

    function _settleOrSkip(SettlementParameters calldata parameters) private {
        RequestRecord memory record = _known(parameters.requestId);
        if (record.status != RequestStatus.OPEN || block.timestamp > _deadline(record)) {
            emit SettlementSkipped(parameters.requestId, record.status);
        } else {
            _settle(parameters, record);
        }
    }

    /// @dev `record` is open and its deadline has not passed.
    function _settle(SettlementParameters calldata parameters, RequestRecord memory record) private {
        // Check:
        _checkUsage(parameters, record);
        (Stage[] memory stages, ModelTerms memory terms) = _path(parameters.receipts);
        _checkTiling(parameters.requestId, stages, terms.layerCount);
        _checkPolicy(parameters.requestId, record.openedAt, stages, terms);
        bytes32 lastReceipt = _checkReceipts(parameters, stages);
        _checkSettlement({
            parameters: parameters, requester: record.requester, entry: stages[0].signer, lastReceipt: lastReceipt
        });
        // Effect:
        _requests[parameters.requestId].status = RequestStatus.SETTLED;
        uint256 cost = _price(record, parameters.inputTokens, parameters.outputTokens);
        (Split memory split, uint256[] memory shares) =
            CostSplit.divide({deposit: _deposit(record), cost: cost, feeBps: FEE_BPS, terms: terms, stages: stages});
        uint256 tokens = uint256(parameters.inputTokens) + parameters.outputTokens;
        _creditStages({
            requestId: parameters.requestId, stages: stages, shares: shares, paidTokens: cost == 0 ? 0 : tokens
        });
        _credit(TREASURY, split.fee);
        _credit(terms.royaltyRecipient, split.royalty);
        _credit(record.requester, split.refund);
        if (!_isPaid(record)) _returnAllowance(record.requester, _reservedTokens(record) - tokens, record.openedAt);
        _announce(parameters, record.requester, split, lastReceipt);
    }

    /// @dev What most paths needn't be asked.
    function _checkPolicy(RequestId requestId, uint256 openedAt, Stage[] memory stages, ModelTerms memory terms)
        private
        view
    {
        if (terms.minHosts > 1) _checkHosts(requestId, stages, terms.minHosts);
        bool isUsual = terms.minPlatforms <= 1;
        for (uint256 i = 0; isUsual && i < stages.length; ++i) {
            isUsual = !stages[i].isPaused;
        }
        if (isUsual) return;
        ShardId[] memory shardIds = new ShardId[](stages.length);
        for (uint256 i = 0; i < stages.length; ++i) {
            shardIds[i] = stages[i].shardId;
        }
        _checkCircumstances({
            requestId: requestId,
            openedAt: openedAt,
            stages: stages,
            found: REGISTRY.circumstances(shardIds),
            minPlatforms: terms.minPlatforms
        });
    }

    /// @dev What the registry knows of the shards, and of the model of the first.
    function _path(StageReceiptParameters[] calldata receipts)
        private
        view
        returns (Stage[] memory stages, ModelTerms memory terms)
    {
        ShardId[] memory shardIds = new ShardId[](receipts.length);
        for (uint256 i = 0; i < shardIds.length; ++i) {
            shardIds[i] = receipts[i].shardId;
        }
        bytes32[] memory words = REGISTRY.pathSlots(shardIds);
        terms = ShardSlots.termsIn(words[0]);
        stages = new Stage[](shardIds.length);
        for (uint256 i = 0; i < stages.length; ++i) {
            stages[i] = ShardSlots.stageAt(words, 1 + ShardSlots.WORDS * i, shardIds[i]);
        }
    }

    /// @dev What doesn't need the registry: tokens within what was paid for, an answer, an entry that was asked.
    function _checkUsage(SettlementParameters calldata parameters, RequestRecord memory record) private view {
        RequestId requestId = parameters.requestId;
        if (parameters.inputTokens == 0 || parameters.inputTokens > record.maxInputTokens) {
            revert InputTokensOutOfRange(requestId, parameters.inputTokens, record.maxInputTokens);
        }
        if (parameters.outputTokens == 0 || parameters.outputTokens > record.maxOutputTokens) {
            revert OutputTokensOutOfRange(requestId, parameters.outputTokens, record.maxOutputTokens);
        }
        uint256 length = parameters.answer.length;
        if (length == 0) revert AnswerEmpty(requestId);
        if (length > MAX_ENVELOPE_BYTES) revert AnswerTooLarge(requestId, length, MAX_ENVELOPE_BYTES);
        if (parameters.receipts.length == 0) revert NoReceipts(requestId);
        ShardId entry = parameters.receipts[0].shardId;
        if (record.recipients.indexOf(entry) == RecipientList.MAX_RECIPIENTS) {
            revert EntryNotRecipient(requestId, entry);
        }
    }

    /// @dev `paidTokens` is zero for a request on a host's allowance: it earns nothing, no allowance either.
    function _creditStages(RequestId requestId, Stage[] memory stages, uint256[] memory shares, uint256 paidTokens)
        private
    {
        for (uint256 i = 0; i < stages.length; ++i) {
            Stage memory stage = stages[i];
            if (paidTokens != 0) {
                _creditStage(stage.host, shares[i], (stage.endLayer - stage.firstLayer) * paidTokens);
            }
            emit StageSettled({
                requestId: requestId,
                shardId: stage.shardId,
                host: stage.host,
                quoteHash: stage.quoteHash,
                amount: shares[i]
            });
        }
    }

    function _announce(
        SettlementParameters calldata parameters,
        address requester,
        Split memory split,
        bytes32 lastReceipt
    ) private {
        emit RequestSettled({
            requestId: parameters.requestId,
            requester: requester,
            inputTokens: parameters.inputTokens,
            outputTokens: parameters.outputTokens,
            cost: split.cost,
            fee: split.fee,
            royalty: split.royalty,
            refund: split.refund,
            lastReceipt: lastReceipt,
            answer: parameters.answer
        });
    }
}
