// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InferenceEscrow} from "../../../contracts/InferenceEscrow.sol";
import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {ModelId, RequestId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {RequestParameters, RequestStatus} from "../../../contracts/types/Request.sol";
import {SettlementParameters, StageReceiptParameters} from "../../../contracts/types/Settlement.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
import {Enclave} from "../fixtures/ShardFixture.sol";

/// Given an open request when its receipts have a gap, an overlap, a repetition, a stranger, an inactive stage, a stage
/// of another model, too few layers or no entry that was asked: it should be refused by name, with the stage when two
/// neighbours disagree, or any signed field differs: the stage should be named when the path has one stage or several:
/// it should be paid
contract SettlePathTest is RequestFixture {
    RequestId private _requestId;

    function setUp() public override {
        super.setUp();
        _requestId = _open();
    }

    /* SHAPES OF PATHS */

    function test_settle__one_stage__pays() external {
        Enclave memory whole = _shard("whole", 0, LAYERS, true);
        Enclave[] memory path = new Enclave[](1);
        path[0] = whole;
        RequestId requestId = _openFor(whole.shardId);
        escrow.settle(_settlement(requestId, path, INPUT_TOKENS, OUTPUT_TOKENS));
        vm.assertGt(_creditOf(whole.host), 0);
    }

    function test_settle__four_stages__pays_each_by_its_layers() external {
        Enclave[] memory path = new Enclave[](4);
        path[0] = entry;
        path[1] = _shard("second", 2, 3, false);
        path[2] = _shard("third", 3, 5, false);
        path[3] = _shard("fourth", 5, LAYERS, false);
        escrow.settle(_settlement(_requestId, path, INPUT_TOKENS, OUTPUT_TOKENS));
        vm.assertEq(_creditOf(path[1].host), _creditOf(path[3].host));
        vm.assertEq(_creditOf(path[0].host), 4 * _creditOf(path[1].host));
        vm.assertEq(_creditOf(path[2].host), 2 * _creditOf(path[1].host));
    }

    function test_settle__takeover_by_the_second_recipient__pays_it() external {
        Enclave memory second = _shard("second entry", 0, 2, true);
        vm.prank(requester);
        RequestId requestId = escrow.request(_withRecipients(entry.shardId, second.shardId));
        escrow.settle(_settlement(requestId, _pathOf(second, last), INPUT_TOKENS, OUTPUT_TOKENS));
        vm.assertGt(_creditOf(second.host), 0);
        vm.assertEq(_creditOf(entry.host), 0);
    }

    function test_settle__no_receipts__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.receipts = new StageReceiptParameters[](0);
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.NoReceipts.selector, _requestId));
    }

    function test_settle__entry_that_was_not_asked__reverts() external {
        Enclave memory other = _shard("other entry", 0, 2, true);
        _assertPathRefused(
            _pathOf(other, last),
            abi.encodeWithSelector(IInferenceEscrow.EntryNotRecipient.selector, _requestId, other.shardId)
        );
    }

    function test_settle__begins_with_a_middle_stage__reverts() external {
        _assertPathRefused(
            _pathOf(last, entry),
            abi.encodeWithSelector(IInferenceEscrow.EntryNotRecipient.selector, _requestId, last.shardId)
        );
    }

    function test_settle__gap__reverts() external {
        _assertPathRefused(
            _pathOf(entry, _shard("late", 3, LAYERS, false)),
            abi.encodeWithSelector(IInferenceEscrow.PathGap.selector, _requestId, 1, 2, 3)
        );
    }

    function test_settle__overlap__reverts() external {
        _assertPathRefused(
            _pathOf(entry, _shard("early", 1, LAYERS, false)),
            abi.encodeWithSelector(IInferenceEscrow.PathOverlap.selector, _requestId, 1, 2, 1)
        );
    }

    function test_settle__repeated_stage__reverts() external {
        Enclave[] memory path = new Enclave[](3);
        (path[0], path[1], path[2]) = (entry, last, last);
        _assertPathRefused(
            path, abi.encodeWithSelector(IInferenceEscrow.PathOverlap.selector, _requestId, 2, LAYERS, 2)
        );
    }

    function test_settle__last_layers_missing__reverts() external {
        _assertPathRefused(
            _pathOf(entry, _shard("short", 2, LAYERS - 1, false)),
            abi.encodeWithSelector(IInferenceEscrow.PathIncomplete.selector, _requestId, LAYERS - 1, LAYERS)
        );
    }

    function test_settle__entry_alone__reverts() external {
        Enclave[] memory path = new Enclave[](1);
        path[0] = entry;
        _assertPathRefused(
            path, abi.encodeWithSelector(IInferenceEscrow.PathIncomplete.selector, _requestId, 2, LAYERS)
        );
    }

    /* FITNESS OF STAGES */

    function test_settle__unknown_shard__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.receipts[1].shardId = ShardId.wrap(99);
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.StageUnknown.selector, _requestId, 1, 99));
    }

    function test_settle__retired_stage__reverts() external {
        vm.prank(last.host);
        registry.retire(last.shardId);
        _assertInactive(1, last.shardId);
    }

    function test_settle__entry_evicted_meanwhile__reverts() external {
        vm.prank(guardian);
        registry.withdrawMeasurement(modelId, MEASUREMENT);
        registry.evict(entry.shardId);
        _assertInactive(0, entry.shardId);
    }

    function test_settle__stage_expired_meanwhile__reverts() external {
        vm.warp(block.timestamp + ATTESTATION_PERIOD - WINDOW);
        _renew(entry);
        _requestId = _open();
        vm.warp(block.timestamp + WINDOW);
        escrow.settle(_settlement(_open()));
        vm.warp(block.timestamp + 1);
        _requestId = _open();
        _assertInactive(1, last.shardId);
    }

    function test_settle__bonds_broken_meanwhile__still_pays() external {
        vm.startPrank(address(escrow));
        registry.payPenalty(entry.shardId, 1, stranger);
        registry.payPenalty(last.shardId, 1, stranger);
        vm.stopPrank();
        vm.assertFalse(registry.isActive(last.shardId));
        escrow.settle(_settlement(_requestId));
        vm.assertGt(_creditOf(last.host), 0);
    }

    function test_settle__stage_of_another_model__reverts() external {
        ModelId first = modelId;
        modelId = _publish();
        Enclave memory foreign = _shard("foreign", 2, LAYERS, false);
        ModelId second = modelId;
        modelId = first;
        _assertPathRefused(
            _pathOf(entry, foreign),
            abi.encodeWithSelector(IInferenceEscrow.WrongModel.selector, _requestId, 1, first, second)
        );
    }

    /* WHAT WAS SIGNED */

    function test_settle__neighbours_disagree__names_the_stage() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.receipts[1].inputCommitment = keccak256("something else");
        _assertRefused(
            parameters,
            abi.encodeWithSelector(
                IInferenceEscrow.CommitmentMismatch.selector,
                _requestId,
                1,
                _commitment(1),
                keccak256("something else")
            )
        );
    }

    function test_settle__receipt_signed_by_a_stranger__names_the_stage() external {
        Enclave memory impostor = last;
        impostor.key = keyOf("impostor");
        _assertPathRefused(
            _pathOf(entry, impostor),
            abi.encodeWithSelector(
                IInferenceEscrow.WrongSigner.selector, _requestId, 1, last.signer, vm.addr(impostor.key)
            )
        );
    }

    function test_settle__receipts_of_another_request__reverts() external {
        RequestId other = _open();
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.requestId = other;
        _assertWrongSigner(parameters, 0);
    }

    function test_settle__receipts_of_another_chain__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        vm.chainId(block.chainid + 1);
        _assertWrongSigner(parameters, 0);
    }

    function test_settle__receipts_of_another_escrow__reverts() external {
        InferenceEscrow real = escrow;
        escrow = new InferenceEscrow(address(manager), _terms());
        SettlementParameters memory parameters = _settlement(_requestId);
        escrow = real;
        _assertWrongSigner(parameters, 0);
    }

    function test_settle__number_is_anothers_request_after_a_reorganisation__reverts() external {
        // The request is signed for, then its block is reorganised away and another requester's request gets its id.
        uint256 fork = vm.snapshotState();
        RequestId before = _open();
        SettlementParameters memory parameters = _settlement(before);
        vm.revertToState(fork);
        address other = vm.addr(keyOf("other requester"));
        _fund(other, REQUESTER_FUNDS);
        RequestId replaced = _open(other, _parameters());
        vm.assertEq(RequestId.unwrap(replaced), RequestId.unwrap(before));
        _assertNotSigned(parameters);
    }

    function test_settle__number_is_the_requesters_next_request_after_a_reorganisation__reverts() external {
        // As before, but the requester's own next request gets the id: same caps, same second, another nonce.
        uint256 fork = vm.snapshotState();
        RequestId before = _open();
        SettlementParameters memory parameters = _settlement(before);
        vm.revertToState(fork);
        RequestParameters memory next = _parameters();
        next.clientNonce = keccak256("next nonce");
        RequestId replaced = _open(requester, next);
        vm.assertEq(RequestId.unwrap(replaced), RequestId.unwrap(before));
        _assertNotSigned(parameters);
    }

    function test_settle__the_same_request_after_a_reorganisation__is_settled() external {
        uint256 fork = vm.snapshotState();
        SettlementParameters memory parameters = _settlement(_open());
        vm.revertToState(fork);
        RequestId again = _open();
        vm.assertEq(RequestId.unwrap(again), RequestId.unwrap(parameters.requestId));
        escrow.settle(parameters);
        vm.assertTrue(escrow.requestOf(again).status == RequestStatus.SETTLED);
    }

    function test_settle__other_token_counts_than_signed__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.inputTokens += 1;
        _assertWrongSigner(parameters, 0);
    }

    function test_settle__counts_moved_from_input_to_output__reverts() external {
        // Receipts only have the sum; the entry's settlement has both.
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.inputTokens -= 1;
        parameters.outputTokens += 1;
        _assertNotSigned(parameters);
    }

    function test_settle__last_output_changed__names_the_stage() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.receipts[1].outputCommitment = keccak256("something else");
        _assertWrongSigner(parameters, 1);
    }

    function test_settle__stage_swapped_for_a_replica__names_the_stage() external {
        Enclave memory replica = _shard("replica", 2, LAYERS, false);
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.receipts[1].shardId = replica.shardId;
        _assertWrongSigner(parameters, 1);
    }

    /* HELP */

    function _openFor(ShardId recipient) private returns (RequestId) {
        vm.prank(requester);
        return escrow.request(_withRecipients(recipient, ShardId.wrap(0)));
    }

    function _assertInactive(uint256 stage, ShardId shardId) private {
        _assertPathRefused(
            _path(), abi.encodeWithSelector(IInferenceEscrow.StageInactive.selector, _requestId, stage, shardId)
        );
    }

    function _assertPathRefused(Enclave[] memory path, bytes memory expected) private {
        _assertRefused(_settlement(_requestId, path, INPUT_TOKENS, OUTPUT_TOKENS), expected);
    }

    /// @dev The address that a signature over other data recovers to is not known beforehand.
    function _assertNotSigned(SettlementParameters memory parameters) private {
        try escrow.settle(parameters) {
            revert("settled what the entry did not sign");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(IInferenceEscrow.SettlementNotSigned.selector));
        }
    }

    function _assertWrongSigner(SettlementParameters memory parameters, uint256 stage) private {
        try escrow.settle(parameters) {
            revert("settled what was not signed");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(IInferenceEscrow.WrongSigner.selector));
            uint256 named;
            assembly ("memory-safe") {
                named := mload(add(reason, 0x44))
            }
            vm.assertEq(named, stage);
        }
    }

    function _assertRefused(SettlementParameters memory parameters, bytes memory expected) private {
        vm.expectRevert(expected);
        escrow.settle(parameters);
    }
}
