# SPDX-License-Identifier: Apache-2.0
"""Enclaves' keys that follow from a name, for tests: a real enclave's are random."""

from hashlib import sha256

from teetee.enclave.keys import EnclaveKeys, KeySecrets


def secrets_of(name: str) -> KeySecrets:
    """Always the same for a name."""
    roles = ("signer", "kem", "tls")
    return KeySecrets(*(sha256(f"{name}/{role}".encode()).digest() for role in roles))


def keys_of(name: str) -> EnclaveKeys:
    """Always the same for a name."""
    return EnclaveKeys.from_secrets(secrets_of(name))
