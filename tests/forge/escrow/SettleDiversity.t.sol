// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IInferenceEscrow} from "../../../contracts/interfaces/IInferenceEscrow.sol";
import {AttestationPolicy} from "../../../contracts/types/AttestationPolicy.sol";
import {RequestId, ShardId} from "../../../contracts/types/Identifiers.sol";
import {RequestStatus} from "../../../contracts/types/Request.sol";
import {SettlementParameters} from "../../../contracts/types/Settlement.sol";
import {RenewalParameters} from "../../../contracts/types/Shard.sol";
import {VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {RequestFixture} from "../fixtures/RequestFixture.sol";
import {Enclave} from "../fixtures/ShardFixture.sol";

/// Given a path of four stages of three hosts on two platforms, and a model whose policy asks for different ones
///   when it asks for as many as there are: it should be paid
///   when it asks for one more: it should be refused by name, with how many there are
///   when it asks for one or none: any path should be paid
///   when a path has only one of them: it should count once
///   when the first 64 bits of two platforms are the same: they should count once
///   when it asks for both and both are too few: the hosts should be named
/// Given an open request
///   when the policy is tightened: that should hold for it
contract SettleDiversityTest is RequestFixture {
    RequestId private _requestId;
    Enclave[] private _stages;

    function setUp() public override {
        super.setUp();
        _requestId = _open();
        // entry, second and fourth of three hosts, third of the second's; on two machines
        _stages.push(entry);
        _stages.push(_shard("second", 2, 3, false));
        Enclave memory third = _enclave("third", 3, 5, false);
        third.host = _stages[1].host;
        _enrol(third);
        _stages.push(third);
        _stages.push(_shard("fourth", 5, LAYERS, false));
        _moveTo(_stages[2], keccak256("another machine"));
    }

    /* HOSTS */

    function test_settle__as_many_hosts_as_asked_for__pays() external {
        _require(3, 0);
        _assertPays();
    }

    function test_settle__one_host_too_few__reverts() external {
        _require(4, 0);
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.TooFewHosts.selector, _requestId, 3, 4));
    }

    function test_settle__path_of_a_single_host__counts_it_once() external {
        Enclave memory upper = _enclave("upper", 2, LAYERS, false);
        upper.host = entry.host;
        _enrol(upper);
        _require(2, 0);
        delete _stages;
        _stages.push(entry);
        _stages.push(upper);
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.TooFewHosts.selector, _requestId, 1, 2));
    }

    /* PLATFORMS */

    function test_settle__as_many_platforms_as_asked_for__pays() external {
        _require(0, 2);
        _assertPays();
    }

    function test_settle__one_platform_too_few__reverts() external {
        _require(0, 3);
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.TooFewPlatforms.selector, _requestId, 2, 3));
    }

    function test_settle__path_on_a_single_platform__counts_it_once() external {
        _require(0, 2);
        _moveTo(_stages[2], PLATFORM);
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.TooFewPlatforms.selector, _requestId, 1, 2));
    }

    function test_settle__a_stage_moved_to_one_more_platform__pays() external {
        _require(0, 3);
        _moveTo(_stages[3], keccak256("a third machine"));
        _assertPays();
    }

    function test_settle__platforms_alike_in_64_bits__counts_them_once() external {
        _require(0, 3);
        _moveTo(_stages[3], bytes32(bytes8(PLATFORM)));
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.TooFewPlatforms.selector, _requestId, 2, 3));
        _moveTo(_stages[3], PLATFORM ^ bytes32(uint256(1) << 192)); // the lowest bit that counts
        _assertPays();
    }

    /* BOTH */

    function test_settle__as_many_of_both_as_asked_for__pays() external {
        _require(3, 2);
        _assertPays();
    }

    function test_settle__too_few_of_both__names_the_hosts() external {
        _require(4, 3);
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.TooFewHosts.selector, _requestId, 3, 4));
    }

    function test_settle__one_of_each_asked_for__pays_any_path() external {
        Enclave memory whole = _shard("whole", 0, LAYERS, true);
        _require(1, 1);
        vm.prank(requester);
        _requestId = escrow.request(_withRecipients(whole.shardId, ShardId.wrap(0)));
        delete _stages;
        _stages.push(whole);
        _assertPays();
    }

    function test_settle__more_than_stages_asked_for__reverts() external {
        _require(255, 0);
        _assertRefused(abi.encodeWithSelector(IInferenceEscrow.TooFewHosts.selector, _requestId, 3, 255));
    }

    function test_settle__policy_of_another_model__does_not_count() external {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        policy.minHosts = 4;
        modelId = _publish();
        _tighten(policy);
        modelId = escrow.requestOf(_requestId).modelId;
        _assertPays();
    }

    /* HELP */

    function _require(uint8 hosts, uint8 platforms) private {
        AttestationPolicy memory policy = registry.policyOf(modelId);
        (policy.minHosts, policy.minPlatforms) = (hosts, platforms);
        _tighten(policy);
    }

    /// @dev By a fresh quote of that machine.
    function _moveTo(Enclave memory enclave, bytes32 platformId) private {
        RenewalParameters memory parameters = _renewalParameters(enclave);
        VerifiedQuote memory verified =
            _verified(registry.shard(enclave.shardId).identityDigest, parameters.blockNumber);
        verified.claims.platformId = platformId;
        vm.prank(enclave.host);
        registry.renew(parameters, abi.encode(verified), PCK_ID);
    }

    function _assertPays() private {
        escrow.settle(_settlement(_requestId, _stages, INPUT_TOKENS, OUTPUT_TOKENS));
        vm.assertTrue(escrow.requestOf(_requestId).status == RequestStatus.SETTLED);
        vm.assertGt(_creditOf(_stages[_stages.length - 1].host), 0);
    }

    function _assertRefused(bytes memory expected) private {
        SettlementParameters memory parameters = _settlement(_requestId, _stages, INPUT_TOKENS, OUTPUT_TOKENS);
        vm.expectRevert(expected);
        escrow.settle(parameters);
    }
}
