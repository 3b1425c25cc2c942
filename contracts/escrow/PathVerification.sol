// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {ReceiptHash} from "../libraries/ReceiptHash.sol";
import {ModelId, RequestId} from "../types/Identifiers.sol";
import {RequestRecord} from "../types/Request.sol";
import {Settlement, SettlementParameters, StageReceipt, StageReceiptParameters} from "../types/Settlement.sol";
import {PauseAndPlatform, Stage} from "../types/Shard.sol";

/// @title PathVerification
/// @notice Checks that receipts form one whole path of attested shards, each linked to the one before.
/// @dev What makes a path:
/// - its stages are shards of one model, attested now, whose layers tile the model's, in order;
/// - it has as many different hosts and platforms as the model's policy demands;
/// - every stage has signed a receipt for exactly this request and these positions, with the hash of the receipt
///   before, so receipts of two runs cannot be mixed;
/// - every stage commits to the same data as its input that the stage before commits to as its output.
///
/// Commitments are salted hashes that the contract can only compare. Whether the data behind them is right, only the
/// enclaves know. The first input and the last output are checked by the entry, which signs the settlement.
abstract contract PathVerification is EIP712, IInferenceEscrow {
    /* STAGES */

    /// @dev Reverts unless the stages are known, attested, of one model, and tile its layers. The caller has checked
    /// that the entry is a recipient, so it is of the request's model and starts at layer 0. A stage whose shard is
    /// paused passes here; {_checkPausesAndPlatforms} decides about it.
    /// @param layerCount Of the stages' model.
    function _checkTiling(RequestId requestId, Stage[] memory stages, uint256 layerCount) internal pure {
        ModelId modelId = stages[0].modelId;
        uint256 expected;
        for (uint256 i = 0; i < stages.length; ++i) {
            Stage memory stage = stages[i];
            if (stage.signer == address(0)) revert StageUnknown(requestId, i, stage.shardId);
            if (!stage.isAttested && !stage.isPaused) revert StageInactive(requestId, i, stage.shardId);
            if (stage.modelId != modelId) {
                revert WrongModel({requestId: requestId, stage: i, expected: modelId, actual: stage.modelId});
            }
            _checkBoundary(requestId, i, expected, stage.firstLayer);
            expected = stage.endLayer;
        }
        if (expected != layerCount) revert PathIncomplete(requestId, expected, layerCount);
    }

    /// @dev Reverts unless the path has `minHosts` different hosts. Counts a host at its first stage; paths are short,
    /// so comparing each stage with those before it is cheaper than any set. Hosts are addresses: one operator with
    /// two wallets counts as two.
    function _checkHosts(RequestId requestId, Stage[] memory stages, uint256 minHosts) internal pure {
        uint256 different;
        for (uint256 i = 0; i < stages.length; ++i) {
            uint256 j = 0;
            while (stages[j].host != stages[i].host) ++j;
            if (j == i) ++different;
        }
        if (different < minHosts) revert TooFewHosts(requestId, different, minHosts);
    }

    /// @dev Reverts unless the path is on `minPlatforms` different platforms and every paused stage was paused after
    /// the request was opened: what was asked before a pause is still paid. A request of the same second passes.
    /// @param found Per stage, from the registry.
    function _checkPausesAndPlatforms(
        RequestId requestId,
        uint256 openedAt,
        Stage[] memory stages,
        PauseAndPlatform[] memory found,
        uint256 minPlatforms
    ) internal pure {
        uint256 different;
        for (uint256 i = 0; i < stages.length; ++i) {
            if (stages[i].isPaused && openedAt > found[i].pausedAt) {
                revert StagePaused(requestId, i, stages[i].shardId);
            }
            uint256 j = 0;
            while (found[j].platformTag != found[i].platformTag) ++j;
            if (j == i) ++different;
        }
        if (different < minPlatforms) revert TooFewPlatforms(requestId, different, minPlatforms);
    }

    /// @dev A stage starts where the stage before ended. Since every stage has at least one layer, a shard cannot serve
    /// two stages: the second would overlap.
    function _checkBoundary(RequestId requestId, uint256 stage, uint256 expected, uint256 firstLayer) private pure {
        if (firstLayer > expected) {
            revert PathGap({requestId: requestId, stage: stage, expectedLayer: expected, firstLayer: firstLayer});
        }
        if (firstLayer < expected) {
            revert PathOverlap({requestId: requestId, stage: stage, expectedLayer: expected, firstLayer: firstLayer});
        }
    }

    /* SIGNATURES */

    /// @dev Rebuilds every receipt with the hash of the one before, and checks its signature. Only commitments and
    /// signatures come from calldata; everything else is what the registry and the settlement say. The input
    /// commitment of the entry and the output commitment of the last stage have no counterpart to compare with.
    /// @param stages As many as receipts, in the same order.
    /// @return lastReceipt The struct hash of the last stage's receipt.
    function _checkReceipts(SettlementParameters calldata parameters, Stage[] memory stages)
        internal
        view
        returns (bytes32 lastReceipt)
    {
        StageReceipt memory receipt;
        receipt.requestId = parameters.requestId;
        receipt.modelId = stages[0].modelId;
        // The last sampled token is never fed back, so it has no position.
        receipt.endPosition = parameters.inputTokens + parameters.outputTokens - 1;
        StageReceiptParameters[] calldata receipts = parameters.receipts;
        for (uint256 i = 0; i < stages.length; ++i) {
            StageReceiptParameters calldata given = receipts[i];
            if (i != 0 && given.inputCommitment != receipt.outputCommitment) {
                revert CommitmentMismatch({
                    requestId: parameters.requestId,
                    stage: i,
                    sent: receipt.outputCommitment,
                    received: given.inputCommitment
                });
            }
            _fillReceipt(receipt, given, stages[i]);
            receipt.previousReceipt = lastReceipt;
            lastReceipt = ReceiptHash.hash(receipt);
            address recovered = _recover(lastReceipt, given.r, given.vs);
            if (recovered != stages[i].signer) {
                revert WrongSigner({
                    requestId: parameters.requestId, stage: i, expected: stages[i].signer, recovered: recovered
                });
            }
        }
    }

    /// @dev Reverts unless the entry has signed that these receipts and this answer belong to this request of this
    /// requester.
    /// The hash of the last receipt stands for all of them.
    /// @param entry The signer of stage 0.
    /// @param lastReceipt See {_checkReceipts}.
    function _checkSettlement(
        SettlementParameters calldata parameters,
        RequestRecord memory record,
        address entry,
        bytes32 lastReceipt
    ) internal view {
        Settlement memory settlement = Settlement({
            requestId: parameters.requestId,
            requester: record.requester,
            noncePrefix: record.noncePrefix,
            inputTokens: parameters.inputTokens,
            outputTokens: parameters.outputTokens,
            answerHash: keccak256(parameters.answer),
            lastReceipt: lastReceipt
        });
        address recovered = _recover(ReceiptHash.hash(settlement), parameters.r, parameters.vs);
        if (recovered != entry) revert SettlementNotSigned(parameters.requestId, entry, recovered);
    }

    /// @dev Overwrites what differs from stage to stage. Reusing one struct keeps memory from growing with the path.
    function _fillReceipt(StageReceipt memory receipt, StageReceiptParameters calldata given, Stage memory stage)
        private
        pure
    {
        receipt.shardId = stage.shardId;
        receipt.firstLayer = stage.firstLayer;
        receipt.endLayer = stage.endLayer;
        receipt.identityDigest = stage.identityDigest;
        receipt.inputCommitment = given.inputCommitment;
        receipt.outputCommitment = given.outputCommitment;
    }

    /// @dev The address that signed the digest of `structHash` for this contract and chain; zero for a malformed
    /// signature. No signer is zero, so callers need no second check. EIP-2098 has no room for a high s, so a signature
    /// cannot be turned into another valid one.
    function _recover(bytes32 structHash, bytes32 r, bytes32 vs) private view returns (address recovered) {
        (recovered,,) = ECDSA.tryRecover(_hashTypedDataV4(structHash), r, vs);
    }
}
