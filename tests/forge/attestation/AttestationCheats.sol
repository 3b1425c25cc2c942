// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The cheat codes of forge that only the attestation's tests use; the others are in fixtures/ForgeTest.sol.
interface AttestationCheats {
    function parseBytes(string calldata text) external pure returns (bytes memory);
    function parseJsonTypeArray(string calldata json, string calldata key, string calldata shape)
        external
        pure
        returns (bytes memory);
    function signP256(uint256 key, bytes32 digest) external pure returns (bytes32 r, bytes32 s);
    function publicKeyP256(uint256 key) external pure returns (uint256 x, uint256 y);
    function expectRevert() external;
    function expectPartialRevert(bytes4 selector) external;
}
