// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {AcceptingVerifier} from "../../../contracts/mocks/AcceptingVerifier.sol";
import {ForwardingHost} from "../../../contracts/mocks/ForwardingHost.sol";
import {
    Attestation,
    EnrolmentParameters,
    RekeyParameters,
    RenewalParameters,
    ShardStatus
} from "../../../contracts/types/Shard.sol";
import {QuoteAssessment, QuoteClaims, TcbStatus, VerifiedQuote} from "../../../contracts/types/VerifiedQuote.sol";
import {Cheats} from "../fixtures/ForgeTest.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given a host that is a contract and calls from its storage, so that no calldata has the quote
///   when it enrols, renews or rekeys a shard: the event should have the quote and the claims, and anyone should be
///   able to recheck the shard by them
contract ContractHostTest is ShardFixture {
    Enclave private _enclaveAtHand;
    ForwardingHost private _host;

    function setUp() public override {
        super.setUp();
        _host = new ForwardingHost();
        _enclaveAtHand = _enclave("hidden", 2, LAYERS, false);
        _enclaveAtHand.host = address(_host);
        vm.prank(treasury);
        token.transfer(address(_host), BOND);
        _host.keep(abi.encodeCall(token.approve, (address(registry), BOND)));
        _host.forward(address(token));
    }

    function test_H6_enrol__through_a_contract__publishes_quote_and_claims() external {
        _assertRecheckable(_enrolHidden(), IShardRegistry.ShardEnrolled.selector);
    }

    function test_H6_renew__through_a_contract__publishes_quote_and_claims() external {
        _enrolHidden();
        vm.roll(block.number + 10);
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        bytes memory quote =
            abi.encode(_verified(registry.shard(_enclaveAtHand.shardId).identityDigest, parameters.blockNumber));
        _host.keep(abi.encodeCall(registry.renew, (parameters, quote, PCK_ID)));
        vm.recordLogs();
        _host.forward(address(registry));
        _assertRecheckable(quote, IShardRegistry.ShardRenewed.selector);
    }

    function test_H6_rekey__through_a_contract__publishes_quote_and_claims() external {
        _enrolHidden();
        vm.roll(block.number + 10);
        Enclave memory rebooted = _rebooted(_enclaveAtHand, "hidden after a reboot");
        RekeyParameters memory parameters = _rekeyParameters(rebooted);
        bytes32 identity = _identityDigest(_enrolmentParameters(rebooted), rebooted.host);
        bytes memory quote = abi.encode(_verified(identity, parameters.blockNumber));
        _host.keep(abi.encodeCall(registry.rekey, (parameters, quote, PCK_ID)));
        vm.recordLogs();
        _host.forward(address(registry));
        _assertRecheckable(quote, IShardRegistry.ShardRekeyed.selector);
    }

    /* HELP */

    function _enrolHidden() private returns (bytes memory quote) {
        EnrolmentParameters memory parameters = _enrolmentParameters(_enclaveAtHand);
        quote = _quote(parameters, address(_host));
        bytes memory signature = _signedEnrolment(_enclaveAtHand, parameters);
        _host.keep(abi.encodeCall(registry.enrol, (parameters, quote, PCK_ID, signature)));
        vm.recordLogs();
        _host.forward(address(registry));
        _enclaveAtHand.shardId = registry.shardOf(_enclaveAtHand.signer);
    }

    /// @dev The recorded event of that kind has the quote, and claims by which a stranger can recheck the shard.
    function _assertRecheckable(bytes memory quote, bytes32 kind) private {
        (Attestation memory attestation, bytes memory published) = _published(kind);
        vm.assertEq(published, quote);
        vm.assertEq(abi.encode(attestation.claims), abi.encode(abi.decode(quote, (VerifiedQuote)).claims));
        vm.assertEq(registry.shard(_enclaveAtHand.shardId).quoteHash, attestation.quoteHash);
        vm.assertEq(keccak256(abi.encode(attestation.claims)), attestation.quoteHash);
        _assertPauses(attestation.claims);
    }

    function _assertPauses(QuoteClaims memory claims) private {
        QuoteAssessment memory unchecked_;
        unchecked_.platformId = PLATFORM;
        unchecked_.tcbStatus = TcbStatus.UNCHECKED;
        AcceptingVerifier(address(registry.VERIFIER())).setAssessment(unchecked_);
        vm.prank(stranger);
        vm.assertTrue(registry.recheck(_enclaveAtHand.shardId, claims) == ShardStatus.PAUSED);
    }

    function _published(bytes32 kind) private returns (Attestation memory attestation, bytes memory quote) {
        Cheats.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(registry) || logs[i].topics[0] != kind) continue;
            if (kind != IShardRegistry.ShardEnrolled.selector) {
                return abi.decode(logs[i].data, (Attestation, bytes));
            }
            (,,, attestation, quote) = abi.decode(logs[i].data, (uint16, uint16, bool, Attestation, bytes));
            return (attestation, quote);
        }
        revert("the registry published nothing");
    }
}
