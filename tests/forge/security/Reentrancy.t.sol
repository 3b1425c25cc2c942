// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ReenteringToken} from "../../../contracts/mocks/ReenteringToken.sol";
import {ReenteringVerifier} from "../../../contracts/mocks/ReenteringVerifier.sol";
import {RequestId} from "../../../contracts/types/Identifiers.sol";
import {DeclineReason} from "../../../contracts/types/Request.sol";
import {EnrolmentParameters} from "../../../contracts/types/Shard.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
import {Enclave} from "../fixtures/ShardFixture.sol";

/// Given a token and a verifier that call back
///   when one call of the escrow is running: no other that moves money should succeed
///   when an enrolment is running: no other enrolment, renewal or rekeying should succeed
contract ReentrancyTest is RequestFixture {
    bytes private constant REENTERED =
        abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);

    ReenteringToken private _token;
    ReenteringVerifier private _armedVerifier;

    /// @dev The system is deployed with a UsageToken; its code is then exchanged for the one that calls back.
    function setUp() public override {
        super.setUp();
        _open();
        vm.warp(block.timestamp + WINDOW + 1);
        escrow.refund(RequestId.wrap(1));
        vm.prank(entry.host);
        registry.topUpBond(entry.shardId, uint80(PENALTY));
        ReenteringToken donor = new ReenteringToken(treasury, 0);
        vm.etch(address(token), address(donor).code);
        _token = ReenteringToken(address(token));
    }

    function test_withdraw__reentered_by_any_call__reverts() external {
        bytes[] memory calls = _calls();
        for (uint256 i = 0; i < calls.length; ++i) {
            _token.arm(address(escrow), calls[i]);
            vm.expectRevert(REENTERED);
            escrow.withdraw(requester);
        }
        vm.assertEq(_creditOf(requester), DEPOSIT + PENALTY);
    }

    function test_request__reentered_by_any_call__reverts() external {
        bytes[] memory calls = _calls();
        escrow.withdraw(requester);
        for (uint256 i = 0; i < calls.length; ++i) {
            _token.arm(address(escrow), calls[i]);
            vm.prank(requester);
            vm.expectRevert(REENTERED);
            escrow.request(_parameters());
        }
    }

    function test_refund__reentered_by_any_call__reverts() external {
        bytes[] memory calls = _calls();
        RequestId requestId = _open();
        vm.warp(block.timestamp + WINDOW + 1);
        for (uint256 i = 0; i < calls.length; ++i) {
            _token.arm(address(escrow), calls[i]);
            vm.expectRevert(REENTERED);
            escrow.refund(requestId);
        }
    }

    function test_enrol__reentered_by_the_verifier__reverts() external {
        ReenteringVerifier donor = new ReenteringVerifier();
        vm.etch(address(registry.VERIFIER()), address(donor).code);
        _armedVerifier = ReenteringVerifier(address(registry.VERIFIER()));
        Enclave memory enclave = _enclave("another", 2, LAYERS, false);
        EnrolmentParameters memory parameters = _enrolmentParameters(enclave);
        bytes memory quote = _quote(parameters, enclave.host);
        bytes memory signature = _signedEnrolment(enclave, parameters);
        _armedVerifier.arm(address(registry), abi.encodeCall(registry.enrol, (parameters, quote, PCK_ID, signature)));
        vm.prank(enclave.host);
        vm.expectRevert(REENTERED);
        registry.enrol(parameters, quote, PCK_ID, signature);
    }

    /// @dev Everything in the escrow that changes something without a role.
    function _calls() private view returns (bytes[] memory calls) {
        RequestId requestId = RequestId.wrap(1);
        calls = new bytes[](6);
        calls[0] = abi.encodeCall(escrow.withdraw, (requester));
        calls[1] = abi.encodeCall(escrow.refund, (requestId));
        calls[2] = abi.encodeCall(escrow.settle, (_settlement(requestId)));
        calls[3] = abi.encodeCall(escrow.decline, (_only(requestId), DeclineReason.INVALID));
        calls[4] = abi.encodeCall(escrow.request, (_parameters()));
        calls[5] = abi.encodeCall(escrow.requestOnAllowance, (_parameters(), entry.shardId));
    }
}
