// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256Key, P256Signature, P256Verification} from "../../../contracts/libraries/P256Verification.sol";
import {AttestationCheats} from "../attestation/AttestationCheats.sol";
import {ForgeTest} from "../fixtures/ForgeTest.sol";

/// @notice The library from outside, so that its reverts can be expected.
contract P256Caller {
    function detect() external view returns (bool) {
        return P256Verification.detect();
    }
}

/// @dev given the vectors of EIP-7951
///     when checked by the precompile
///         each result should be that of the vector
///     when checked in Solidity
///         each result should be that of the vector
/// given a chain with the precompile
///     it should be detected
/// given a chain without
///     it should be detected, and the fallback used
/// given a precompile that accepts everything
///     it should revert
contract P256VerificationTest is ForgeTest {
    /// @dev In the order that SHAPE names.
    struct Vector {
        string expected;
        uint256 gas;
        string input;
        string name;
        bool noBenchmark;
    }

    string private constant SHAPE = "Recorded(string Expected,uint256 Gas,string Input,string Name,bool NoBenchmark)";
    address private constant PRECOMPILE = address(0x100);

    P256Caller private immutable CALLER = new P256Caller();

    function test_verify__vectors_by_the_precompile__give_the_expected_result() external view {
        _checkVectors(true);
    }

    function test_verify__vectors_in_solidity__give_the_expected_result() external view {
        _checkVectors(false);
    }

    function test_detect__chain_with_the_precompile__native() external view {
        vm.assertTrue(CALLER.detect(), "native");
    }

    function test_detect__chain_without_the_precompile__fallback() external {
        vm.mockCall(PRECOMPILE, "", "");
        vm.assertTrue(!CALLER.detect(), "fallback");
    }

    function test_detect__precompile_that_accepts_everything__reverts() external {
        vm.mockCall(PRECOMPILE, "", abi.encode(1));
        vm.expectRevert(P256Verification.P256SelfTestFailed.selector);
        CALLER.detect();
    }

    function test_detect__precompile_that_answers_more_than_a_word__fallback() external {
        vm.mockCall(PRECOMPILE, "", abi.encode(1, 1));
        vm.assertTrue(!CALLER.detect(), "fallback");
    }

    function _checkVectors(bool native) private view {
        string memory json = vm.readFile("tests/vectors/p256/eip7951_test_vectors.json");
        bytes memory encoded = AttestationCheats(address(vm)).parseJsonTypeArray(json, "$", SHAPE);
        Vector[] memory vectors = abi.decode(encoded, (Vector[]));
        vm.assertEq(vectors.length, 781, "vectors");
        for (uint256 i = 0; i < vectors.length; ++i) {
            bytes memory input = AttestationCheats(address(vm)).parseBytes(string.concat("0x", vectors[i].input));
            bool expected = bytes(vectors[i].expected).length != 0;
            vm.assertEq(_verify(native, input), expected, vectors[i].name);
        }
    }

    function _verify(bool native, bytes memory input) private view returns (bool) {
        (bytes32 digest, uint256 r, uint256 s, uint256 x, uint256 y) =
            abi.decode(input, (bytes32, uint256, uint256, uint256, uint256));
        return P256Verification.verify({
            native: native, digest: digest, signature: P256Signature({r: r, s: s}), key: P256Key({x: x, y: y})
        });
    }
}
