// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @notice A point on P-256. Every signature check includes whether it is on the curve.
struct P256Key {
    uint256 x;
    uint256 y;
}

/// @notice An ECDSA signature. `s` may be high: about half of Intel's are.
struct P256Signature {
    uint256 r;
    uint256 s;
}

/// @title P256Verification
/// @notice ECDSA over P-256: with the precompile of EIP-7951 where the chain has it, in Solidity elsewhere.
/// @dev On a chain without the precompile a call to 0x100 succeeds and returns nothing, just as the precompile does for
/// an invalid signature. {detect} therefore finds out once, at deployment. Signatures are malleable (s and n - s), so
/// they must not be used as unique identifiers.
library P256Verification {
    /// @notice The P-256 arithmetic of this chain gives wrong results for the self-test's signatures.
    error P256SelfTestFailed();

    /// @dev The order of the curve's group.
    uint256 private constant N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

    // A valid signature, with a high s. Source: EIP-7951's test vectors, Wycheproof "signature malleability".
    bytes32 private constant TEST_DIGEST = 0xbb5a52f42f9c9261ed4361f59422a1e30036e7c32b270c8807a419feca605023;
    uint256 private constant TEST_R = 0x2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e18;
    uint256 private constant TEST_S = 0x4cd60b855d442f5b3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76;
    uint256 private constant TEST_X = 0x2927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838;
    uint256 private constant TEST_Y = 0xc7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e;

    /// @notice Whether the chain has the precompile. Reverts if the precompile, or the fallback, gives wrong results.
    /// For constructors.
    /// @dev A valid signature must pass, and the same signature over another digest must not.
    function detect() internal view returns (bool native) {
        P256Key memory key = P256Key({x: TEST_X, y: TEST_Y});
        P256Signature memory signature = P256Signature({r: TEST_R, s: TEST_S});
        native = verify({native: true, digest: TEST_DIGEST, signature: signature, key: key});
        bool works = native || verify({native: false, digest: TEST_DIGEST, signature: signature, key: key});
        bool refuses = !verify({native: native, digest: ~TEST_DIGEST, signature: signature, key: key});
        if (!works || !refuses) revert P256SelfTestFailed();
    }

    /// @notice Whether the signature over the digest is by the key.
    /// @param native What {detect} returned at deployment.
    function verify(bool native, bytes32 digest, P256Signature memory signature, P256Key memory key)
        internal
        view
        returns (bool)
    {
        return native ? _verifyNative(digest, signature, key) : _verifyInSolidity(digest, signature, key);
    }

    /// @dev Input: 160 bytes. Output: 32 bytes of value one, or nothing.
    function _verifyNative(bytes32 digest, P256Signature memory signature, P256Key memory key)
        private
        view
        returns (bool valid)
    {
        assembly ("memory-safe") {
            // digest, r, s, x, y; past the free memory pointer, which stays
            let input := mload(0x40)
            mstore(input, digest)
            mcopy(add(input, 0x20), signature, 0x40)
            mcopy(add(input, 0x60), key, 0x40)
            // the output goes to scratch space, which is read only if the call wrote to it
            let answered := staticcall(gas(), 0x100, input, 0xa0, 0, 0x20)
            valid := and(and(answered, eq(returndatasize(), 0x20)), eq(mload(0), 1))
        }
    }

    /// @dev OpenZeppelin refuses a high s. n - s is valid exactly if s is, so a high s is replaced by it.
    function _verifyInSolidity(bytes32 digest, P256Signature memory signature, P256Key memory key)
        private
        view
        returns (bool)
    {
        uint256 s = signature.s;
        if (s > N / 2 && s < N) s = N - s;
        return P256.verifySolidity({
            h: digest, r: bytes32(signature.r), s: bytes32(s), qx: bytes32(key.x), qy: bytes32(key.y)
        });
    }
}
