# SPDX-License-Identifier: Apache-2.0
"""An enclave's keys and certificate.

given secrets
    when they are fresh
        each should be random, and no guest agent should be asked
    when keys are made of them twice
        they should be the same, certificate included
    when another enclave's are used
        all should differ
    when a secret is not a key
        the error should name the algorithm
given keys
    when they are printed
        only the public part should appear
"""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from teetee.enclave.keys import EnclaveKeys, KeySecrets, certificate_fingerprint
from teetee.errors import FieldInvalid, KeyInvalid
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity, Keyset, report_data
from teetee.protocol.layers import LayerRange
from tests.teetee.enclave_keys import keys_of, secrets_of


def test_c1_fresh__twice__is_random_and_shares_nothing() -> None:
    first, second = KeySecrets.fresh(), KeySecrets.fresh()
    parts = [first.signer, first.kem, first.tls, second.signer, second.kem, second.tls]
    assert len(set(parts)) == 6
    assert {len(part) for part in parts} == {32}
    assert "signer" not in repr(first)


def test_from_secrets__twice__gives_the_same_keyset_and_certificate() -> None:
    first, second = keys_of("enclave"), keys_of("enclave")
    assert first.keyset == second.keyset
    assert first.tls_certificate_der == second.tls_certificate_der
    assert first.signer.key == second.signer.key


def test_from_secrets__of_another_enclave__shares_nothing() -> None:
    first, second = keys_of("enclave"), keys_of("other")
    assert first.keyset.signer != second.keyset.signer
    assert first.keyset.kem != second.keyset.kem
    assert first.keyset.tls != second.keyset.tls


def test_certificate__of_an_enclave__is_self_signed_and_pinned_by_its_key() -> None:
    keys = keys_of("enclave")
    certificate = x509.load_der_x509_certificate(keys.tls_certificate_der)
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.rfc4514_string() == "CN=TeeTee enclave"
    assert certificate.not_valid_before_utc <= datetime(2025, 1, 1, tzinfo=UTC)
    assert certificate.not_valid_after_utc.year == 9999
    public = keys.tls.public_key()
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert load_der_public_key(info) == certificate.public_key()
    assert keys.keyset.tls == sha256(info).digest()
    assert certificate_fingerprint(keys.tls_certificate_der) == keys.keyset.tls


def test_certificate_fingerprint__not_a_certificate__is_refused() -> None:
    with pytest.raises(KeyInvalid) as refused:
        certificate_fingerprint(b"no certificate")
    assert refused.value.rule == "cannot be read"


@pytest.mark.parametrize(
    ("role", "key", "algorithm"),
    [
        pytest.param("signer", bytes(32), "secp256k1", id="signer zero"),
        pytest.param("signer", b"\xff" * 32, "secp256k1", id="signer beyond the order"),
        pytest.param("signer", bytes(31), "secp256k1", id="signer short"),
        pytest.param("kem", bytes(33), "mlkem768-x25519", id="kem long"),
        pytest.param("tls", b"", "ed25519", id="tls empty"),
    ],
)
def test_from_secrets__what_is_no_key__names_the_algorithm(
    role: str, key: bytes, algorithm: str
) -> None:
    with pytest.raises(KeyInvalid) as refused:
        EnclaveKeys.from_secrets(replace(secrets_of("enclave"), **{role: key}))
    assert refused.value.algorithm == algorithm


def test_repr__of_keys__shows_the_public_part_only() -> None:
    keys = keys_of("enclave")
    shown = repr(keys)
    assert keys.keyset.signer in shown
    assert keys.signer.key.hex() not in shown
    assert repr(bytes(keys.signer.key)) not in shown
    assert "PrivateKey" not in shown


@pytest.mark.parametrize(
    ("signer", "kem", "field"),
    [
        ("0x" + "ab" * 20, bytes(32), "signer"),
        ("0x" + "11" * 20, bytes(31), "kem"),
    ],
)
def test_keyset__what_does_not_fit__is_refused_by_field(
    signer: str, kem: bytes, field: str
) -> None:
    with pytest.raises(FieldInvalid) as refused:
        Keyset(signer, kem, bytes(32))
    assert refused.value.field == field


def test_identity_digest__addresses_in_any_case__is_the_same() -> None:
    keyset = keys_of("enclave").keyset
    host = keyset.signer
    digests = {
        EnclaveIdentity(
            1, registry, owner, ModelId(1), LayerRange(0, 2), True, bytes(32), keyset
        ).identity_digest()
        for registry, owner in ((host, host.lower()), (host.lower(), host))
    }
    assert len(digests) == 1


def test_report_data__of_another_block__differs_in_the_first_half_only() -> None:
    first, second = report_data(bytes(32), 1, bytes(32)), report_data(bytes(32), 2, bytes(32))
    assert first[:32] != second[:32]
    assert first[32:] == second[32:] == bytes(32)
