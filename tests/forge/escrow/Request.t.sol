// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {IModelAdministration} from "../../../contracts/interfaces/IModelAdministration.sol";
import {ModelId, RequestId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {Request, RequestParameters, RequestStatus} from "../../../contracts/types/Request.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
import {Enclave} from "../fixtures/ShardFixture.sol";

/// Given a requester with tokens, and active entry shards
///   when the request is valid: it should be stored, published with its envelope, and its deposit collected
///   when its model, recipients, caps, deadline, envelope or price are invalid: it should be refused by name
///   when requests are paused: it should be refused
contract RequestTest is RequestFixture {
    function test_request__everything_fits__writes_it_down() external {
        RequestId requestId = _open();
        Request memory stored = escrow.requestOf(requestId);
        vm.assertEq(RequestId.unwrap(requestId), 1);
        vm.assertEq(escrow.requestCount(), 1);
        vm.assertEq(stored.requester, requester);
        vm.assertTrue(stored.modelId == modelId && stored.status == RequestStatus.OPEN);
        vm.assertEq(stored.openedAt, block.timestamp);
        vm.assertEq(stored.deadline, block.timestamp + WINDOW);
        vm.assertEq(stored.maxInputTokens, MAX_INPUT_TOKENS);
        vm.assertEq(stored.maxOutputTokens, MAX_OUTPUT_TOKENS);
        vm.assertEq(stored.inputPrice, INPUT_PRICE);
        vm.assertEq(stored.outputPrice, OUTPUT_PRICE);
        vm.assertEq(stored.deposit, DEPOSIT);
        vm.assertEq(stored.recipients.length, 1);
        vm.assertTrue(stored.recipients[0] == entry.shardId);
    }

    function test_request__everything_fits__announces_it_and_takes_the_deposit() external {
        RequestParameters memory parameters = _parameters();
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.RequestOpened(
            RequestId.wrap(1),
            requester,
            modelId,
            parameters.recipients,
            MAX_INPUT_TOKENS,
            MAX_OUTPUT_TOKENS,
            DEPOSIT,
            parameters.deadline,
            parameters.clientNonce,
            parameters.envelope
        );
        _open(requester, parameters);
        vm.assertEq(token.balanceOf(address(escrow)), DEPOSIT);
        vm.assertEq(token.balanceOf(requester), REQUESTER_FUNDS - DEPOSIT);
    }

    function test_request__four_recipients__keeps_their_order() external {
        RequestParameters memory parameters = _parameters();
        parameters.recipients = _fourEntries();
        Request memory stored = escrow.requestOf(_open(requester, parameters));
        vm.assertEq(stored.recipients.length, 4);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertTrue(stored.recipients[i] == parameters.recipients[i]);
        }
    }

    function test_request__with_some_credit__spends_it_first() external {
        escrow.settle(_settlement(_open()));
        uint256 credit = _creditOf(requester);
        uint256 balance = token.balanceOf(requester);
        vm.assertTrue(credit != 0 && credit < DEPOSIT);
        _open();
        vm.assertEq(_creditOf(requester), 1); // one wei keeps the slot
        vm.assertEq(token.balanceOf(requester), balance - (DEPOSIT - (credit - 1)));
    }

    function test_request__with_credit_enough__takes_no_tokens() external {
        RequestId first = _open();
        vm.warp(block.timestamp + WINDOW + 1);
        escrow.refund(first);
        vm.prank(entry.host);
        registry.topUpBond(entry.shardId, uint80(PENALTY));
        uint256 balance = token.balanceOf(requester);
        _open();
        vm.assertEq(_creditOf(requester), PENALTY);
        vm.assertEq(token.balanceOf(requester), balance);
    }

    /* MODEL AND RECIPIENTS */

    function test_request__unknown_model__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.modelId = ModelId.wrap(9);
        _assertRefused(parameters, abi.encodeWithSelector(IModelAdministration.UnknownModel.selector, 9));
    }

    function test_request__no_recipients__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.recipients = new ShardId[](0);
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.NoRecipients.selector));
    }

    function test_request__five_recipients__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.recipients = new ShardId[](5);
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.TooManyRecipients.selector, 5, 4));
    }

    function test_request__recipient_twice__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.recipients = _two(entry.shardId, entry.shardId);
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.DuplicateRecipient.selector, entry.shardId));
    }

    function test_request__recipient_is_no_entry__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.recipients = _two(entry.shardId, last.shardId);
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.RecipientNotEntry.selector, last.shardId));
    }

    function test_request__recipient_of_another_model__reverts() external {
        RequestParameters memory parameters = _parameters();
        ModelId other = _publish();
        parameters.modelId = other;
        _assertRefused(
            parameters,
            abi.encodeWithSelector(IInferenceEscrow.RecipientOfOtherModel.selector, entry.shardId, other, modelId)
        );
    }

    function test_request__unknown_recipient__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.recipients = _one(ShardId.wrap(99));
        _assertRefused(
            parameters, abi.encodeWithSelector(IInferenceEscrow.RecipientOfOtherModel.selector, 99, modelId, 0)
        );
    }

    function test_request__primary_retired__reverts() external {
        vm.prank(entry.host);
        registry.retire(entry.shardId);
        _assertRefused(
            _parameters(), abi.encodeWithSelector(IInferenceEscrow.RecipientInactive.selector, entry.shardId)
        );
    }

    function test_request__all_recipients_expired__reverts() external {
        Enclave memory second = _shard("second entry", 0, 2, true);
        vm.warp(block.timestamp + ATTESTATION_PERIOD + 1);
        RequestParameters memory parameters = _parameters();
        parameters.recipients = _two(second.shardId, entry.shardId);
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.RecipientInactive.selector, second.shardId));
    }

    /* CAPS, DEADLINE, ENVELOPE, PRICE */

    function test_request__no_input__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.maxInputTokens = 0;
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.ZeroCap.selector, 0, MAX_OUTPUT_TOKENS));
    }

    function test_request__no_output__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.maxOutputTokens = 0;
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.ZeroCap.selector, MAX_INPUT_TOKENS, 0));
    }

    function test_request__longer_than_the_context__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.maxInputTokens = uint24(CONTEXT_LENGTH - MAX_OUTPUT_TOKENS + 1);
        _assertRefused(
            parameters,
            abi.encodeWithSelector(IInferenceEscrow.CapsAboveContext.selector, CONTEXT_LENGTH + 1, CONTEXT_LENGTH)
        );
    }

    function test_request__deadline_now__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.deadline = uint40(block.timestamp);
        _assertRefused(
            parameters,
            abi.encodeWithSelector(IInferenceEscrow.DeadlinePassed.selector, block.timestamp, block.timestamp)
        );
    }

    function test_request__deadline_one_second_too_near__reverts() external {
        RequestParameters memory parameters = _parameters();
        uint256 earliest = block.timestamp + MIN_WINDOW;
        parameters.deadline = uint40(earliest - 1);
        _assertRefused(
            parameters, abi.encodeWithSelector(IInferenceEscrow.DeadlineTooNear.selector, earliest - 1, earliest)
        );
        parameters.deadline = uint40(earliest);
        _open(requester, parameters);
    }

    function test_request__deadline_one_second_too_far__reverts() external {
        RequestParameters memory parameters = _parameters();
        uint256 latest = block.timestamp + MAX_WINDOW;
        parameters.deadline = uint40(latest + 1);
        _assertRefused(
            parameters, abi.encodeWithSelector(IInferenceEscrow.DeadlineTooFar.selector, latest + 1, latest)
        );
        parameters.deadline = uint40(latest);
        _open(requester, parameters);
    }

    function test_request__no_envelope__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.envelope = "";
        _assertRefused(parameters, abi.encodeWithSelector(IInferenceEscrow.EnvelopeEmpty.selector));
    }

    function test_request__envelope_too_large__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.envelope = new bytes(MAX_ENVELOPE_BYTES + 1);
        _assertRefused(
            parameters,
            abi.encodeWithSelector(
                IInferenceEscrow.EnvelopeTooLarge.selector, MAX_ENVELOPE_BYTES + 1, MAX_ENVELOPE_BYTES
            )
        );
    }

    function test_request__price_above_the_callers_limit__reverts() external {
        RequestParameters memory parameters = _parameters();
        parameters.maxDeposit = DEPOSIT - 1;
        _assertRefused(
            parameters, abi.encodeWithSelector(IInferenceEscrow.DepositAboveLimit.selector, DEPOSIT, DEPOSIT - 1)
        );
    }

    /* PAYMENT AND PAUSE */

    function test_request__token_allowance_one_too_low__reverts() external {
        vm.prank(requester);
        token.approve(address(escrow), DEPOSIT - 1);
        _assertRefused(
            _parameters(),
            abi.encodeWithSelector(IInferenceEscrow.TokenAllowanceTooLow.selector, requester, DEPOSIT - 1, DEPOSIT)
        );
    }

    function test_request__not_enough_tokens__reverts() external {
        vm.prank(requester);
        token.transfer(treasury, REQUESTER_FUNDS - DEPOSIT + 1);
        _assertRefused(
            _parameters(),
            abi.encodeWithSignature(
                "ERC20InsufficientBalance(address,uint256,uint256)", requester, DEPOSIT - 1, DEPOSIT
            )
        );
    }

    function test_request__paused__reverts() external {
        vm.prank(guardian);
        escrow.pauseRequests();
        _assertRefused(_parameters(), abi.encodeWithSelector(IInferenceEscrow.RequestsPaused.selector));
    }

    function _assertRefused(RequestParameters memory parameters, bytes memory expected) private {
        vm.prank(requester);
        vm.expectRevert(expected);
        escrow.request(parameters);
        vm.assertEq(escrow.requestCount(), 0);
    }

    function _fourEntries() private returns (ShardId[] memory shardIds) {
        shardIds = new ShardId[](4);
        shardIds[0] = _shard("second entry", 0, 2, true).shardId;
        shardIds[1] = _shard("third entry", 0, 3, true).shardId;
        shardIds[2] = entry.shardId;
        shardIds[3] = _shard("fourth entry", 0, LAYERS, true).shardId;
    }
}
