# SPDX-License-Identifier: Apache-2.0
"""The keys derived from a request's secret.

given a secret and a context
    it should give another key for each purpose, request and hop
    it should give the same keys again
given the library's HKDF
    it should be that of RFC 5869
"""

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from teetee.errors import FieldInvalid
from teetee.protocol.identifiers import RequestId
from teetee.protocol.request_secret import RequestSecret
from tests.teetee.requests import REQUEST, context, secret


def test_hkdf__case_1_of_the_rfc__gives_its_output() -> None:
    """RFC 5869, appendix A.1."""
    derived = HKDF(
        algorithm=SHA256(),
        length=42,
        salt=bytes(range(13)),
        info=bytes(range(0xF0, 0xFA)),
    ).derive(b"\x0b" * 22)
    assert derived.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_hkdf__case_3_of_the_rfc__gives_its_output_without_salt() -> None:
    """RFC 5869, appendix A.3."""
    derived = HKDF(algorithm=SHA256(), length=42, salt=None, info=b"").derive(b"\x0b" * 22)
    assert derived.hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_keys__for_each_purpose__differ() -> None:
    keys = [
        secret().prompt_key(context()),
        secret().prompt_key(context(chain_id=1)),
        secret().answer_key(context(), REQUEST),
        secret().answer_key(context(), RequestId(REQUEST + 1)),
        secret().commitment_salt(context(), 0),
        secret().commitment_salt(context(), 1),
        secret().stream_proof(context(), REQUEST),
        secret(8).prompt_key(context()),
        secret().key_commitment(context()),
        secret(8).key_commitment(context()),
        secret().key_commitment(context(chain_id=1)),
    ]
    assert len(set(keys)) == len(keys)
    assert secret().prompt_key(context()) == keys[0]


def test_seed__any_context__survives_json_everywhere() -> None:
    seeds = {secret(fill).seed(context()) for fill in range(50)}
    assert len(seeds) == 50
    assert max(seeds).bit_length() <= 53


def test_fresh__twice__differs() -> None:
    assert RequestSecret.fresh() != RequestSecret.fresh()


def test_secret__of_another_length__is_refused() -> None:
    with pytest.raises(FieldInvalid) as refused:
        RequestSecret(bytes(31))
    assert refused.value.field == "secret"


def test_context__address_that_is_none__is_refused_by_field() -> None:
    with pytest.raises(FieldInvalid) as refused:
        context(escrow="0x12").digest()
    assert refused.value.field == "escrow"
