# SPDX-License-Identifier: Apache-2.0
"""The keys that prompts are sealed to.

given a seed
    it should always give the same key; its hash should be that of its 1,216 bytes
given bytes that are no key
    they should be refused
given a key
    its repr should show no secret
"""

from hashlib import sha256

import pytest

from teetee.errors import KeyInvalid
from teetee.protocol.sealing.key import PUBLIC_KEY_BYTES, SealingPrivateKey, SealingPublicKey

SEED = b"\x05" * 32


def test_from_seed__twice__is_the_same_key() -> None:
    first, second = SealingPrivateKey.from_seed(SEED), SealingPrivateKey.from_seed(SEED)
    assert first == second
    assert second.open(first.public_key.seal(b"secret", b"info"), b"info") == b"secret"
    assert first != SealingPrivateKey.from_seed(bytes(32))


def test_digest__of_a_public_key__is_the_hash_of_its_bytes() -> None:
    key = SealingPrivateKey.from_seed(SEED).public_key
    assert len(key.data) == PUBLIC_KEY_BYTES == 1216
    assert key.digest == sha256(key.data).digest()
    assert SealingPublicKey.from_bytes(key.data) == key


@pytest.mark.parametrize(
    "data",
    [b"", bytes(1215), bytes(1217), b"\xff" * 1216],
    ids=["empty", "short", "long", "not reduced"],
)
def test_from_bytes__no_key__is_refused(data: bytes) -> None:
    with pytest.raises(KeyInvalid):
        SealingPublicKey.from_bytes(data)


def test_from_seed__of_another_length__is_refused() -> None:
    with pytest.raises(KeyInvalid):
        SealingPrivateKey.from_seed(bytes(31))


def test_repr__of_a_private_key__shows_no_secret() -> None:
    assert SEED.hex() not in repr(SealingPrivateKey.from_seed(SEED))
