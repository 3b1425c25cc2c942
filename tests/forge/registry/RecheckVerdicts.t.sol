// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IQuoteVerifier} from "../../../contracts/interfaces/IQuoteVerifier.sol";
import {VerifierCalls} from "../../../contracts/libraries/VerifierCalls.sol";
import {RejectingVerifier} from "../../../contracts/mocks/RejectingVerifier.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {ShardStatus} from "../../../contracts/types/Shard.sol";
import {QuoteAssessment, TcbPolicy, TcbStatus} from "../../../contracts/types/VerifiedQuote.sol";
import {RecheckFixture} from "./RecheckFixture.sol";

/// Given a verifier with arbitrary assessments
///   when it has no collateral and nothing is revoked: regardless of everything else, the shard should never be evicted
///   for any assessment: the result should follow from the status, the list and the set alone
///   when the policy names collateral: it should be passed to the verifier
///   when it reverts: the recheck should revert as it did, and change nothing
///   when its answer isn't an assessment: it should be refused by name
contract RecheckVerdictsTest is RecheckFixture {
    /// @dev An assessment, with a status that a fuzzer can make.
    struct FuzzedAssessment {
        bytes32 platformId;
        uint8 tcbStatus;
        uint16 evaluationNumber;
        bool isConclusive;
        bool isRevoked;
        uint40 validUntil;
        uint40 certifiedUntil;
    }

    /// @dev Letting collateral go stale, or uploading any of it, cannot evict a shard.
    function testFuzz_recheck__no_collateral__never_evicts(FuzzedAssessment memory fuzzed, uint32 later, bool isPaused)
        external
    {
        if (isPaused) _pause();
        (fuzzed.tcbStatus, fuzzed.isRevoked) = (uint8(TcbStatus.UNCHECKED), false);
        _setAssessment(fuzzed);
        vm.warp(block.timestamp + bounded(later, 0, ATTESTATION_PERIOD));
        vm.assertTrue(_recheck() == ShardStatus.PAUSED);
        vm.assertEq(registry.shard(shardId).bond, BOND);
        assessment.tcbStatus = TcbStatus.UP_TO_DATE;
        _assertResumes();
    }

    function testFuzz_recheck__any_verdict__decides_by_three_of_its_members(
        FuzzedAssessment memory fuzzed,
        uint16 accepted,
        bool isPaused
    ) external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.acceptedStatuses = accepted & 0x01fe;
        _setPolicy(policy);
        if (isPaused) _pause();
        fuzzed.tcbStatus = uint8(bounded(fuzzed.tcbStatus, 0, uint8(type(TcbStatus).max)));
        _setAssessment(fuzzed);
        vm.assertTrue(_recheck() == _expected(fuzzed, accepted & 0x01fe));
        vm.assertTrue(registry.shard(shardId).status == _expected(fuzzed, accepted & 0x01fe));
    }

    function _expected(FuzzedAssessment memory fuzzed, uint256 accepted) private pure returns (ShardStatus) {
        if (fuzzed.isRevoked) return ShardStatus.EVICTED;
        if ((accepted >> fuzzed.tcbStatus) & 1 == 1) return ShardStatus.ACTIVE;
        if (fuzzed.tcbStatus == uint8(TcbStatus.UNCHECKED)) return ShardStatus.PAUSED;
        return fuzzed.isConclusive ? ShardStatus.EVICTED : ShardStatus.PAUSED;
    }

    function test_recheck__policy_names_collateral__asks_the_verifier_for_it() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        (policy.minimumEvaluationNumber, policy.maxCollateralAge) = (0xfe, 0x01020304);
        _tighten(policy);
        TcbPolicy memory asked = TcbPolicy({minimumEvaluationNumber: 0xfe, maxCollateralAge: 0x01020304});
        vm.expectCall(address(registry.VERIFIER()), abi.encodeCall(IQuoteVerifier.assessQuote, (claims, asked)));
        vm.assertTrue(_recheck() == ShardStatus.ACTIVE);
    }

    function test_recheck__verifier_reverts__reverts_as_it_did() external {
        vm.etch(address(registry.VERIFIER()), address(new RejectingVerifier()).code);
        vm.expectRevert(abi.encodeWithSelector(RejectingVerifier.QuoteRejected.selector));
        registry.recheck(shardId, claims);
        vm.assertTrue(registry.isActive(shardId));
    }

    function test_recheck__an_answer_of_another_size__reverts() external {
        bytes memory answer = abi.encode(assessment);
        _assertMalformed(bytes.concat(answer, hex"00"), answer.length + 1, 1);
        _assertMalformed(new bytes(answer.length - 32), answer.length - 32, 0);
        _assertMalformed("", 0, 0);
    }

    function test_recheck__a_status_that_is_none__reverts() external {
        bytes memory answer = abi.encode(assessment);
        answer[63] = 0x0b;
        _assertMalformed(answer, answer.length, 11);
    }

    function _assertMalformed(bytes memory answer, uint256 size, uint256 status) private {
        address verifier = address(registry.VERIFIER());
        vm.mockCall(verifier, abi.encodeWithSelector(IQuoteVerifier.assessQuote.selector), answer);
        vm.expectRevert(abi.encodeWithSelector(VerifierCalls.VerdictMalformed.selector, size, status));
        registry.recheck(shardId, claims);
        vm.clearMockedCalls();
    }

    function _setAssessment(FuzzedAssessment memory fuzzed) private {
        assessment = abi.decode(abi.encode(fuzzed), (QuoteAssessment));
        _setAssessment();
    }

    function _pause() private {
        TcbStatus before = assessment.tcbStatus;
        assessment.tcbStatus = TcbStatus.UNCHECKED;
        _assertPauses();
        assessment.tcbStatus = before;
    }
}
