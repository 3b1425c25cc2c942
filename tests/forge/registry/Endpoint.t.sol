// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IShardRegistry} from "../../../contracts/interfaces/IShardRegistry.sol";
import {EnrolmentParameters, RekeyParameters, RenewalParameters} from "../../../contracts/types/Shard.sol";
import {Enclave, ShardFixture} from "../fixtures/ShardFixture.sol";

/// Given an endpoint that every reader of an event will see
///   when a byte of it is a control character, a space or no ASCII: it should be refused by its place, at enrolment,
///   renewal and rekeying
///   when all its bytes are printable: it should be accepted, whatever its length
contract EndpointTest is ShardFixture {
    Enclave private _enclaveAtHand;

    function setUp() public override {
        super.setUp();
        _enclaveAtHand = _enclave("entry", 0, 2, true);
    }

    function testFuzz_L27_enrol__any_byte_at_any_place__is_refused_unless_it_is_printable(
        uint8 length,
        uint8 place,
        bytes1 character
    ) external {
        bytes memory endpoint = new bytes(bounded(length, 1, 255));
        for (uint256 i = 0; i < endpoint.length; ++i) {
            endpoint[i] = bytes1(uint8(0x21 + i % 0x5e)); // every printable character
        }
        uint256 position = bounded(place, 0, endpoint.length - 1);
        endpoint[position] = character;
        bool isPrintable = character >= 0x21 && character <= 0x7e;
        EnrolmentParameters memory parameters = _enrolmentParameters(_enclaveAtHand);
        parameters.endpoint = string(endpoint);
        bytes memory quote = _quote(parameters, _enclaveAtHand.host);
        bytes memory signature = _signedEnrolment(_enclaveAtHand, parameters);
        vm.prank(_enclaveAtHand.host);
        if (!isPrintable) {
            vm.expectRevert(abi.encodeWithSelector(IShardRegistry.EndpointNotPrintable.selector, position / 32 * 32));
        }
        registry.enrol(parameters, quote, PCK_ID, signature);
    }

    function test_L27_renew__endpoint_that_is_no_text__reverts() external {
        _enclaveAtHand.shardId = _enrol(_enclaveAtHand);
        RenewalParameters memory parameters = _renewalParameters(_enclaveAtHand);
        parameters.endpoint = string(bytes.concat(hex"ff", ":1"));
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.EndpointNotPrintable.selector, 0));
        registry.renew(parameters, "", PCK_ID);
    }

    function test_L27_rekey__endpoint_with_an_escape_sequence__reverts() external {
        _enclaveAtHand.shardId = _enrol(_enclaveAtHand);
        RekeyParameters memory parameters = _rekeyParameters(_rebooted(_enclaveAtHand, "rebooted"));
        parameters.endpoint = "a-host-with-a-very-long-name.example.org\x1b[2J:443";
        vm.prank(_enclaveAtHand.host);
        vm.expectRevert(abi.encodeWithSelector(IShardRegistry.EndpointNotPrintable.selector, 32));
        registry.rekey(parameters, "", PCK_ID);
    }
}
