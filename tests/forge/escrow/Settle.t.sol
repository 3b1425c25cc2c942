// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {ReceiptHash} from "../../../contracts/libraries/ReceiptHash.sol";
import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {RequestStatus} from "../../../contracts/types/Request.sol";
import {SettlementParameters, StageReceipt} from "../../../contracts/types/Settlement.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";

/// Given an open request and the receipts of a whole path
///   when anyone settles: every stage's host, treasury, royalty recipient and requester should be credited, with
///   events that carry the answer
///   when the request has ended, its deadline has passed, tokens or answer are out of bounds, or the entry has not
///   signed exactly this: it should be refused by name
contract SettleTest is RequestFixture {
    uint256 private constant COST = uint256(INPUT_TOKENS) * INPUT_PRICE + uint256(OUTPUT_TOKENS) * OUTPUT_PRICE;
    uint256 private constant ROYALTY = COST * ROYALTY_BPS / 10_000;
    uint256 private constant POOL = COST - COST * FEE_BPS / 10_000 - ROYALTY;
    // The entry's two layers count as four of eight, the last stage's four as well.
    uint256 private constant SHARE = POOL * 4 / 8;
    uint256 private constant FEE = COST - ROYALTY - 2 * SHARE;

    RequestId private _requestId;

    function setUp() public override {
        super.setUp();
        _requestId = _open();
    }

    function test_settle__whole_path__credits_all_parties() external {
        vm.prank(stranger);
        escrow.settle(_settlement(_requestId));
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.SETTLED);
        vm.assertEq(_creditOf(entry.host), SHARE);
        vm.assertEq(_creditOf(last.host), SHARE);
        vm.assertEq(_creditOf(treasury), FEE);
        vm.assertEq(_creditOf(royaltyRecipient), ROYALTY);
        vm.assertEq(_creditOf(requester), DEPOSIT - COST);
        vm.assertEq(_creditOf(stranger), 0);
        vm.assertEq(2 * SHARE + FEE + ROYALTY + DEPOSIT - COST, token.balanceOf(address(escrow)));
        vm.assertEq(escrow.accountOf(entry.host).servedLayerTokens, 2 * (INPUT_TOKENS + OUTPUT_TOKENS));
        vm.assertEq(escrow.accountOf(last.host).servedLayerTokens, 4 * (INPUT_TOKENS + OUTPUT_TOKENS));
    }

    function test_settle__whole_path__announces_stages_and_answer() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        bytes32 entryQuote = registry.shard(entry.shardId).quoteHash;
        bytes32 lastQuote = registry.shard(last.shardId).quoteHash;
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.StageSettled(_requestId, entry.shardId, entry.host, entryQuote, SHARE);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.StageSettled(_requestId, last.shardId, last.host, lastQuote, SHARE);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.RequestSettled(
            _requestId,
            requester,
            INPUT_TOKENS,
            OUTPUT_TOKENS,
            COST,
            FEE,
            ROYALTY,
            DEPOSIT - COST,
            _lastReceipt(parameters),
            parameters.answer
        );
        escrow.settle(parameters);
    }

    function test_settle__everything_used__refunds_nothing() external {
        escrow.settle(_settlement(_requestId, _path(), MAX_INPUT_TOKENS, MAX_OUTPUT_TOKENS));
        vm.assertEq(_creditOf(requester), 0);
    }

    function test_settle__prices_raised_meanwhile__costs_what_was_agreed() external {
        vm.prank(publisher);
        registry.lowerPrices(modelId, 1, 1);
        escrow.settle(_settlement(_requestId));
        vm.assertEq(_creditOf(requester), DEPOSIT - COST);
    }

    function test_settle__last_second__pays() external {
        vm.warp(block.timestamp + WINDOW);
        escrow.settle(_settlement(_requestId));
        vm.assertEq(_creditOf(entry.host), SHARE);
    }

    /* THE REQUEST'S STATE */

    function test_settle__after_the_deadline__reverts() external {
        uint256 deadline = block.timestamp + WINDOW;
        vm.warp(deadline + 1);
        _assertRefused(
            _settlement(_requestId),
            abi.encodeWithSelector(IInferenceEscrow.SettlementTooLate.selector, _requestId, deadline)
        );
    }

    function test_settle__twice__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        escrow.settle(parameters);
        _assertRefused(
            parameters,
            abi.encodeWithSelector(IInferenceEscrow.RequestNotOpen.selector, _requestId, RequestStatus.SETTLED)
        );
    }

    function test_settle__unknown_request__reverts() external {
        _assertRefused(
            _settlement(RequestId.wrap(9)), abi.encodeWithSelector(IInferenceEscrow.UnknownRequest.selector, 9)
        );
    }

    /* USAGE AND ANSWER */

    function test_settle__more_input_than_paid_for__reverts() external {
        _assertRefused(
            _settlement(_requestId, _path(), MAX_INPUT_TOKENS + 1, OUTPUT_TOKENS),
            abi.encodeWithSelector(
                IInferenceEscrow.InputTokensOutOfRange.selector, _requestId, MAX_INPUT_TOKENS + 1, MAX_INPUT_TOKENS
            )
        );
    }

    function test_settle__more_output_than_paid_for__reverts() external {
        _assertRefused(
            _settlement(_requestId, _path(), INPUT_TOKENS, uint32(MAX_OUTPUT_TOKENS) + 1),
            abi.encodeWithSelector(
                IInferenceEscrow.OutputTokensOutOfRange.selector,
                _requestId,
                uint256(MAX_OUTPUT_TOKENS) + 1,
                MAX_OUTPUT_TOKENS
            )
        );
    }

    function test_settle__no_input__reverts() external {
        _assertRefused(
            _settlement(_requestId, _path(), 0, OUTPUT_TOKENS),
            abi.encodeWithSelector(IInferenceEscrow.InputTokensOutOfRange.selector, _requestId, 0, MAX_INPUT_TOKENS)
        );
    }

    function test_settle__no_output__reverts() external {
        _assertRefused(
            _settlement(_requestId, _path(), INPUT_TOKENS, 0),
            abi.encodeWithSelector(IInferenceEscrow.OutputTokensOutOfRange.selector, _requestId, 0, MAX_OUTPUT_TOKENS)
        );
    }

    function test_settle__no_answer__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.answer = "";
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.AnswerEmpty.selector, _requestId));
    }

    function test_settle__answer_too_large__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.answer = new bytes(MAX_ENVELOPE_BYTES + 1);
        _assertRefused(
            parameters,
            abi.encodeWithSelector(
                IInferenceEscrow.AnswerTooLarge.selector, _requestId, MAX_ENVELOPE_BYTES + 1, MAX_ENVELOPE_BYTES
            )
        );
    }

    /* THE ENTRY'S SIGNATURE */

    function test_settle__another_answer_than_signed__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        parameters.answer = "another answer.";
        _assertNotSignedByEntry(parameters);
    }

    function test_settle__settlement_signed_by_a_middle_stage__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        _sign(parameters, last.key, _lastReceipt(parameters));
        _assertRefused(
            parameters,
            abi.encodeWithSelector(
                IInferenceEscrow.SettlementNotSigned.selector, _requestId, entry.signer, last.signer
            )
        );
    }

    function test_settle__signature_of_zeros__reverts() external {
        SettlementParameters memory parameters = _settlement(_requestId);
        (parameters.r, parameters.vs) = (0, 0);
        _assertRefused(
            parameters,
            abi.encodeWithSelector(IInferenceEscrow.SettlementNotSigned.selector, _requestId, entry.signer, address(0))
        );
    }

    /* HELP */

    function _lastReceipt(SettlementParameters memory parameters) private view returns (bytes32) {
        StageReceipt memory first = _receipt(parameters, entry, 0);
        StageReceipt memory second = _receipt(parameters, last, 1);
        second.previousReceipt = ReceiptHash.hash(first);
        return ReceiptHash.hash(second);
    }

    function _assertNotSignedByEntry(SettlementParameters memory parameters) private {
        try escrow.settle(parameters) {
            revert("settled what the entry had not signed");
        } catch (bytes memory reason) {
            vm.assertEq(bytes32(bytes4(reason)), bytes32(IInferenceEscrow.SettlementNotSigned.selector));
        }
    }

    function _assertRefused(SettlementParameters memory parameters, bytes memory expected) private {
        vm.expectRevert(expected);
        escrow.settle(parameters);
    }
}
