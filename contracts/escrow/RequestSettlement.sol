// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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
import {RequestStorage} from "./RequestStorage.sol";

/// @title RequestSettlement
/// @notice Ends answered requests: checks the path that computed the answer, and pays it.
/// @dev Tokens stay in the escrow; a settlement only turns the deposit into credits. It costs two calls of the registry
/// at most, one signature check per stage and one for the entry, and one storage write per account that is credited.
/// Everything else is in calldata or memory.
abstract contract RequestSettlement is EscrowAccounts, RequestStorage, PathVerification {
    using RecipientList for Recipients;

    /* SETTLEMENT */

    /// @dev Settles a request of a batch, or reports why there is nothing to settle. Recipients race: the one that
    /// comes second must not lose the rest of its batch.
    function _settleOrSkip(SettlementParameters calldata parameters) internal {
        RequestRecord memory record = _requireExisting(parameters.requestId);
        if (record.status != RequestStatus.OPEN || block.timestamp > _deadline(record)) {
            emit SettlementSkipped(parameters.requestId, record.status);
        } else {
            _settle(parameters, record);
        }
    }

    /// @dev Settles `record`, which is open and whose deadline has not passed. A request on a host's allowance takes
    /// the same way with a cost of zero: all shares are zero, and the unused part of its reservation returns.
    /// Everything is checked before anything is written, and no token leaves the contract.
    function _settle(SettlementParameters calldata parameters, RequestRecord memory record) internal {
        // Check:
        _checkUsage(parameters, record);
        (Stage[] memory stages, ModelTerms memory terms) = _loadPath(parameters.receipts);
        _checkTiling(parameters.requestId, stages, terms.layerCount);
        _checkPolicy(parameters.requestId, record.openedAt, stages, terms);
        bytes32 lastReceipt = _checkReceipts(parameters, stages);
        _checkSettlement({parameters: parameters, record: record, entry: stages[0].signer, lastReceipt: lastReceipt});
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
        _emitRequestSettled(parameters, record.requester, split, lastReceipt);
    }

    /// @dev Everything that needs no registry: token counts within the caps, an answer within its bound, an entry that
    /// is a recipient. A recipient's model and first layer were checked when the request was opened. These checks come
    /// first because they are the cheapest.
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

    /// @dev Reads all stages, and the terms of the first stage's model, in one call and as packed words: see
    /// {ShardSlots}. The terms are those of today, the prices those of the request: a policy that was tightened in
    /// between already counts, a price that was raised does not.
    function _loadPath(StageReceiptParameters[] calldata receipts)
        private
        view
        returns (Stage[] memory stages, ModelTerms memory terms)
    {
        ShardId[] memory shardIds = new ShardId[](receipts.length);
        for (uint256 i = 0; i < shardIds.length; ++i) {
            shardIds[i] = receipts[i].shardId;
        }
        bytes32[] memory words = REGISTRY.packedPath(shardIds);
        terms = ShardSlots.termsIn(words[0]);
        stages = new Stage[](shardIds.length);
        for (uint256 i = 0; i < stages.length; ++i) {
            stages[i] = ShardSlots.stageAt(words, 1 + ShardSlots.WORDS_PER_SHARD * i, shardIds[i]);
        }
    }

    /// @dev What the model's policy demands of a path. Hosts are in the stages; pauses and platforms are in records of
    /// the registry that most settlements never need. Slow path: the registry is asked a second time only if the model
    /// requires different platforms or a stage is paused.
    function _checkPolicy(RequestId requestId, uint256 openedAt, Stage[] memory stages, ModelTerms memory terms)
        private
        view
    {
        if (terms.minHosts > 1) _checkHosts(requestId, stages, terms.minHosts);
        bool isFastPath = terms.minPlatforms <= 1;
        for (uint256 i = 0; isFastPath && i < stages.length; ++i) {
            isFastPath = !stages[i].isPaused;
        }
        if (isFastPath) return;
        ShardId[] memory shardIds = new ShardId[](stages.length);
        for (uint256 i = 0; i < stages.length; ++i) {
            shardIds[i] = stages[i].shardId;
        }
        _checkPausesAndPlatforms({
            requestId: requestId,
            openedAt: openedAt,
            stages: stages,
            found: REGISTRY.pausesAndPlatforms(shardIds),
            minPlatforms: terms.minPlatforms
        });
    }

    /// @dev Credits every host its share and emits {StageSettled} for every stage. A host with two stages is credited
    /// twice: merging them would cost more than it saves.
    /// @param shares Token wei per stage; see {CostSplit}.
    /// @param stages One event each, in the order of the path.
    /// @param paidTokens LLM tokens that were paid for. Zero on a host's allowance: free tokens earn neither shares nor
    /// a larger quota, or hosts could serve themselves to an ever larger one.
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

    /// @dev A function of its own, because the event's ten values and the caller's do not fit on one stack.
    function _emitRequestSettled(
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
