# SPDX-License-Identifier: Apache-2.0
"""The simulator's own Keccak-256 and secp256k1 signatures.

given any message
    it should hash like the package that Ethereum's Python libraries use
given any key and digest
    it should sign with a low s, so that the signer can be recovered
    it should give the same signature each time
"""

from eth_hash.auto import keccak
from eth_keys import KeyAPI
from hypothesis import given
from hypothesis import strategies as st

from tee_simulator.pki.keccak import keccak256
from tee_simulator.pki.signatures import secp256k1_public, sign_secp256k1, verify_secp256k1

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

scalars = st.integers(1, 2**255).map(lambda scalar: scalar.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


@given(st.binary(max_size=600))
def test_keccak256__any_message__equals_the_reference(message: bytes) -> None:
    assert keccak256(message) == keccak(message)


@given(scalars, digests)
def test_sign_secp256k1__any_digest__signer_is_recovered(scalar: bytes, digest: bytes) -> None:
    signature = sign_secp256k1(scalar, digest)
    recovered = KeyAPI().Signature(signature).recover_public_key_from_msg_hash(digest)
    assert recovered.to_compressed_bytes() == secp256k1_public(scalar)
    assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER
    assert sign_secp256k1(scalar, digest) == signature


@given(scalars, digests)
def test_verify_secp256k1__high_s__is_rejected(scalar: bytes, digest: bytes) -> None:
    public, signature = secp256k1_public(scalar), sign_secp256k1(scalar, digest)[:64]
    assert verify_secp256k1(public, digest, signature)
    high = 2 * HALF_ORDER + 1 - int.from_bytes(signature[32:], "big")
    assert not verify_secp256k1(public, digest, signature[:32] + high.to_bytes(32, "big"))
    assert not verify_secp256k1(public, digest[::-1] + b"?", signature[:63])


def test_sign_secp256k1__rfc_6979_example__equals_the_published_signature() -> None:
    """Key 1, message "Satoshi Nakamoto": the vector that Bitcoin's libraries share."""
    digest = bytes.fromhex("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e")
    signature = sign_secp256k1((1).to_bytes(32, "big"), digest)
    assert signature[:64].hex() == (
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
    )
