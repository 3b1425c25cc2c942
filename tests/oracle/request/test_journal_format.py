# SPDX-License-Identifier: Apache-2.0
"""The journal's values on disk, and how values that another program wrote there are read.

given a record
    it should come back as it was
given an exception
    only its class name should be written
given a value that is not plain JSON
    it should be refused without being shown
given a record that was changed on disk
    it should be refused without being shown
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import JournalUnreadable
from oracle.records import Answered, Ended, NoAnswer, Opening, Refused, outcome_from_json
from oracle.request.journal_format import JournaledFailure, JsonSerializer
from teetee.chain.types.requests import DeclineReason, Request, RequestStatus
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import Settlement, StageReceipt
from teetee.protocol.typed_data import escrow_domain
from tests.oracle.fake_chain import ESCROW, context

SERIALIZER = JsonSerializer()
REFUSALS = (
    "an opening that this program did not write",
    "an answer that this program did not write",
    "an outcome of unknown kind",
)
DOMAIN = escrow_domain(31_337, ESCROW)
ACCOUNT = Account.from_key(bytes(31) + b"\1")


def answered() -> Answered:
    receipt = StageReceipt(
        request_id=RequestId(3),
        model_id=ModelId(1),
        shard_id=ShardId(1),
        layers=LayerRange(0, 4),
        identity_digest=b"i" * 32,
        first_position=0,
        end_position=11,
        input_commitment=b"a" * 32,
        output_commitment=b"b" * 32,
        previous_receipt=bytes(32),
    )
    settlement = Settlement(RequestId(3), "0x" + "21" * 20, 5, 7, b"h" * 32, receipt.struct_hash())
    return Answered(
        signed=settlement.sign(ACCOUNT, DOMAIN),
        receipts=(receipt.sign(ACCOUNT, DOMAIN),),
        answer=b"ciphertext",
    )


def opening() -> Opening:
    request = Request(
        request_id=RequestId(3),
        status=RequestStatus.OPEN,
        requester=context().requester,
        model_id=ModelId(1),
        opened_at=1,
        deadline=100,
        max_input_tokens=10,
        max_output_tokens=20,
        input_price=1,
        output_price=2,
        deposit=50,
        recipients=(ShardId(1), ShardId(2)),
    )
    return Opening(request, 31_337, ESCROW, b"n" * 32, b"envelope")


def through_disk(value: Any) -> Any:
    return SERIALIZER.deserialize(SERIALIZER.serialize(value))


def test_opening__through_the_journal__comes_back_equal() -> None:
    assert Opening.from_json(through_disk(opening().to_json())) == opening()


def test_is_of__number_names_another_request__tells_them_apart() -> None:
    ended = replace(opening().request, status=RequestStatus.SETTLED)
    assert opening().is_of(ended)
    assert not opening().is_of(replace(ended, opened_at=2))


@pytest.mark.parametrize(
    "outcome",
    [answered(), Refused(DeclineReason.NO_PATH), NoAnswer()],
    ids=lambda outcome: type(outcome).__name__,
)
def test_outcome__through_the_journal__comes_back_equal(outcome: Any) -> None:
    assert outcome_from_json(through_disk(outcome.to_json())) == outcome


@pytest.mark.parametrize("status", RequestStatus, ids=lambda status: status.name)
def test_ended__through_the_journal__comes_back_equal(status: RequestStatus) -> None:
    for ended in (Ended(status, None), Ended(status, "0x" + "1" * 64)):
        assert Ended.from_json(through_disk(ended.to_json())) == ended


def test_serialize__an_exception__keeps_its_class_name_alone() -> None:
    text = SERIALIZER.serialize(ValueError("the canary sings"))
    assert "canary" not in text
    failure = SERIALIZER.deserialize(text)
    assert isinstance(failure, JournaledFailure)
    assert failure.name == "ValueError"
    assert SERIALIZER.serialize(failure) == text


NOT_JSON = {"bytes": b"raw", "a set": {1, 2}, "an object": object(), "no number": float("nan")}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON)
def test_serialize__not_plain_json__is_refused_unseen(value: object) -> None:
    with pytest.raises(TypeError, match=r"^the journal takes plain JSON only, not \w+$"):
        SERIALIZER.serialize(value)


@pytest.mark.parametrize("text", ["", "{", "gASVCgAAAAAAAABDBmNhbmFyeZQu"], ids=str)
def test_deserialize__not_json__is_refused(text: str) -> None:
    with pytest.raises(JournalUnreadable) as caught:
        SERIALIZER.deserialize(text)
    assert caught.value.what == "a value that is not JSON"


@given(st.data())
def test_records__one_field_was_changed_on_disk__equal_or_refused_but_never_a_crash(
    data: st.DataObject,
) -> None:
    source = data.draw(st.sampled_from([opening().to_json(), answered().to_json()]))
    record = json.loads(json.dumps(source))
    name = data.draw(st.sampled_from(sorted(record)))
    record[name] = data.draw(st.none() | st.integers() | st.text(max_size=8) | st.lists(st.none()))
    read = Opening.from_json if "envelope" in record else outcome_from_json
    try:
        read(record)
    except JournalUnreadable as error:
        shown = str(error)
    else:
        shown = ""
    assert shown in {"", *(str(JournalUnreadable(what=what)) for what in REFUSALS)}
