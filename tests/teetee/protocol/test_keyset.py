# SPDX-License-Identifier: Apache-2.0
"""An enclave's public identity as JSON.

given an identity
    when it is written as JSON and read back
        it should be the same identity, with the fields of docs/protocol.md section 7
given JSON from an enclave
    when a field is missing, of another type, or no address where there must be one
        it should be malformed, and the message should name the field
    when layers or keys are outside their bounds
        it should be an invalid field
"""

import json

import pytest
from eth_account import Account

from teetee.errors import FieldInvalid, MalformedFrame
from teetee.protocol.identifiers import ModelId
from teetee.protocol.keyset import EnclaveIdentity, Keyset
from teetee.protocol.layers import LayerRange

SIGNER = str(Account.from_key(b"\x05" * 32).address)
IDENTITY = EnclaveIdentity(
    chain_id=84532,
    registry=SIGNER,
    host=SIGNER,
    model_id=ModelId(1),
    layers=LayerRange(0, 4),
    is_entry=True,
    slice_digest=b"\x01" * 32,
    keyset=Keyset(SIGNER, b"\x02" * 32, b"\x03" * 32),
)
MESSAGE = {
    "chainId": 84532,
    "registry": SIGNER,
    "host": SIGNER,
    "modelId": 1,
    "firstLayer": 0,
    "endLayer": 4,
    "isEntry": True,
    "sliceDigest": "0x" + "01" * 32,
    "signer": SIGNER,
    "kem": "0x" + "02" * 32,
    "tls": "0x" + "03" * 32,
}


def test_to_json__identity__has_the_fields_of_the_protocol() -> None:
    assert IDENTITY.to_json() == MESSAGE


def test_from_json__as_written__is_the_same_identity() -> None:
    assert EnclaveIdentity.from_json(json.loads(json.dumps(IDENTITY.to_json()))) == IDENTITY


def test_from_json__beside_other_fields__ignores_them() -> None:
    assert EnclaveIdentity.from_json(MESSAGE | {"quote": "0x00"}) == IDENTITY


@pytest.mark.parametrize("field", MESSAGE)
@pytest.mark.parametrize("value", [None, [], -1.5], ids=["null", "list", "fraction"])
def test_from_json__field_of_another_type__is_malformed(field: str, value: object) -> None:
    with pytest.raises(MalformedFrame, match=field):
        EnclaveIdentity.from_json(MESSAGE | {field: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"host": SIGNER[:-1] + "u"},
        {"host": ""},
        {"registry": SIGNER[:-1]},
        {"sliceDigest": "0x01"},
    ],
    ids=["host that is not hex", "empty host", "short registry", "short digest"],
)
def test_from_json__text_that_is_no_address_or_digest__is_malformed(
    changes: dict[str, object],
) -> None:
    with pytest.raises(MalformedFrame, match=next(iter(changes))):
        EnclaveIdentity.from_json(MESSAGE | changes)


@pytest.mark.parametrize("field", MESSAGE)
def test_from_json__field_missing__is_malformed(field: str) -> None:
    with pytest.raises(MalformedFrame, match=field):
        EnclaveIdentity.from_json({name: value for name, value in MESSAGE.items() if name != field})


@pytest.mark.parametrize(
    "changes",
    [{"firstLayer": 4}, {"endLayer": 65536}, {"kem": "0x02"}, {"tls": "0x"}],
    ids=["empty range", "too many layers", "short kem", "empty tls"],
)
def test_from_json__value_outside_its_bounds__is_invalid(changes: dict[str, object]) -> None:
    with pytest.raises(FieldInvalid):
        EnclaveIdentity.from_json(MESSAGE | changes)
