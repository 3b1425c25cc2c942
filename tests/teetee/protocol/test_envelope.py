# SPDX-License-Identifier: Apache-2.0
"""Envelopes and sealed answers.

given a prompt
    when it is sealed to one to four shards
        it should open for each of them to the same secret and prompt
        its length should depend only on its bucket
    when it is too long, or a recipient is not usable
        it should not be sealed
given a sealed prompt
    when requester, model, escrow, chain, nonce or key is another
        it should not open
    when any byte is changed, or it is cut or lengthened
        it should not open
    when this shard is no recipient
        the error should name the recipients
given an answer
    when it is sealed for a request
        it should open with the secret, for this request only
given any error
    it should reveal nothing of the content
"""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from teetee.errors import (
    AnswerInvalid,
    AnswerUndecryptable,
    EnvelopeError,
    EnvelopeMalformed,
    EnvelopeTooLarge,
    EnvelopeUndecryptable,
    NotARecipient,
    PromptInvalid,
    RecipientInvalid,
    TeeTeeError,
)
from teetee.protocol.answer import MAX_EARLIER_SHARDS, Answer
from teetee.protocol.envelope import (
    MAX_ENVELOPE_BYTES,
    open_answer,
    open_prompt,
    read_earlier_shards,
    seal_answer,
    seal_prompt,
)
from teetee.protocol.identifiers import ModelId, RequestId, ShardId
from teetee.protocol.prompt import Message, Prompt, Sampling
from teetee.protocol.request_secret import RequestSecret
from teetee.protocol.sealing.key import SealingPublicKey
from teetee.protocol.sealing.padding import BUCKETS
from tests.teetee.requests import CANARY, ENTRY, REQUEST, context, kem, prompt, public, secret

ANSWER = Answer(CANARY, (1, 2, 3), "stop", input_tokens=9, output_tokens=3)
RECIPIENT_BYTES = 4 + 1088 + 32 + 32 + 16
HEADER_BYTES = 2 + 32

LOW_ORDER = SealingPublicKey.from_bytes(public(kem()).data[:-32] + bytes(32))


def seal(content: str = CANARY) -> bytes:
    return seal_prompt(prompt(content), secret(), context(), [(ENTRY, public(kem()))])


@pytest.mark.parametrize("count", [1, 2, 3, 4], ids=lambda count: f"{count} recipients")
def test_seal_prompt__to_several_shards__opens_for_each(count: int) -> None:
    keys = {ShardId(10 + place): kem(10 + place) for place in range(count)}
    sealed = seal_prompt(
        prompt(), secret(), context(), [(shard_id, public(key)) for shard_id, key in keys.items()]
    )
    for shard_id, key in keys.items():
        assert open_prompt(sealed, context(), shard_id, key) == (secret(), prompt())


@given(
    contents=st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=5),
    temperature=st.floats(0, 2),
    top_p=st.floats(0.01, 1),
    stop=st.lists(st.text(min_size=1, max_size=20), max_size=4),
    max_tokens=st.integers(1, 2**32 - 1),
    seed=st.none() | st.integers(0, 2**53 - 1),
)
def test_open_prompt__any_prompt__is_what_was_sealed(
    contents: list[str],
    temperature: float,
    top_p: float,
    stop: list[str],
    max_tokens: int,
    seed: int | None,
) -> None:
    sampling = Sampling(
        max_tokens=max_tokens, temperature=temperature, top_p=top_p, stop=tuple(stop), seed=seed
    )
    asked = Prompt(tuple(Message("user", content) for content in contents), sampling)
    sealed = seal_prompt(asked, secret(), context(), [(ENTRY, public(kem()))])
    assert open_prompt(sealed, context(), ENTRY, kem()) == (secret(), asked)


@given(length=st.integers(1, 65_000))
def test_seal_prompt__any_length__shows_only_its_bucket(length: int) -> None:
    body = len(seal("x" * length)) - HEADER_BYTES - RECIPIENT_BYTES - 16
    assert body in BUCKETS
    smaller = [bucket for bucket in BUCKETS if bucket < body]
    assert len(prompt("x" * length).to_json()) + 4 > max(smaller, default=0)


def test_seal_prompt__largest__fits_the_declared_limit() -> None:
    room = BUCKETS[-1] - 4 - len(prompt("x").to_json()) + 1
    recipients = [(ShardId(place), public(kem(place))) for place in range(1, 5)]
    sealed = seal_prompt(prompt("x" * room), secret(), context(), recipients)
    assert len(sealed) == MAX_ENVELOPE_BYTES


def test_seal_prompt__one_byte_too_long__is_refused_with_both_numbers() -> None:
    room = BUCKETS[-1] - 4 - len(prompt("x").to_json()) + 1
    with pytest.raises(EnvelopeTooLarge) as refused:
        seal("x" * (room + 1))
    assert (refused.value.size, refused.value.limit) == (BUCKETS[-1] - 3, BUCKETS[-1] - 4)


@pytest.mark.parametrize(
    ("recipients", "rule"),
    [
        pytest.param([], "there must be 1 to 4, not 0", id="none"),
        pytest.param(
            [(ShardId(place), public(kem(place))) for place in range(1, 6)],
            "there must be 1 to 4, not 5",
            id="five",
        ),
        pytest.param([(ENTRY, public(kem()))] * 2, "a shard appears twice", id="twice"),
        pytest.param([(ENTRY, LOW_ORDER)], "shard 3 has no usable sealing key", id="low order"),
        pytest.param(
            [(ShardId(0), public(kem()))],
            "a shard id must be from 1 to 4294967295",
            id="shard zero",
        ),
    ],
)
def test_seal_prompt__recipients_not_usable__is_refused(
    recipients: list[tuple[ShardId, SealingPublicKey]], rule: str
) -> None:
    with pytest.raises(RecipientInvalid) as refused:
        seal_prompt(prompt(), secret(), context(), recipients)
    assert refused.value.rule == rule


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"requester": "0x" + "33" * 20}, id="requester"),
        pytest.param({"model_id": ModelId(2)}, id="model"),
        pytest.param({"chain_id": 84532}, id="chain"),
        pytest.param({"escrow": "0x" + "44" * 20}, id="escrow"),
        pytest.param({"client_nonce": bytes(32)}, id="nonce"),
    ],
)
def test_open_prompt__another_context__does_not_open(changes: dict[str, object]) -> None:
    with pytest.raises(EnvelopeUndecryptable):
        open_prompt(seal(), context(**changes), ENTRY, kem())


def test_open_prompt__another_key__does_not_open() -> None:
    with pytest.raises(EnvelopeUndecryptable):
        open_prompt(seal(), context(), ENTRY, kem(2))


def test_open_prompt__no_recipient__names_the_recipients() -> None:
    with pytest.raises(NotARecipient) as refused:
        open_prompt(seal(), context(), ShardId(9), kem())
    assert (refused.value.shard_id, refused.value.recipients) == (9, (ENTRY,))


def test_open_prompt__anothers_sealed_secret_under_our_number__does_not_open() -> None:
    sealed = bytearray(seal())
    sealed[HEADER_BYTES : HEADER_BYTES + 4] = (9).to_bytes(4)
    with pytest.raises(EnvelopeUndecryptable):
        open_prompt(bytes(sealed), context(), ShardId(9), kem())


@given(position=st.integers(0, len(seal()) - 1), change=st.integers(1, 255))
def test_open_prompt__any_byte_changed__does_not_open(position: int, change: int) -> None:
    sealed = bytearray(seal())
    sealed[position] ^= change
    with pytest.raises(EnvelopeError):
        open_prompt(bytes(sealed), context(), ENTRY, kem())


@pytest.mark.parametrize(
    ("sealed", "rule"),
    [
        pytest.param(b"", "it must be of version 3", id="empty"),
        pytest.param(b"\x01" + seal()[1:], "it must be of version 3", id="version"),
        pytest.param(b"\x03\x00" + seal()[2:], "it must have 1 to 4 recipients, not 0", id="none"),
        pytest.param(b"\x03\x05" + seal()[2:], "it must have 1 to 4 recipients, not 5", id="five"),
        pytest.param(seal()[:-1], "its 1733 bytes do not fill a bucket", id="cut"),
        pytest.param(seal() + b"\0", "its 1735 bytes do not fill a bucket", id="lengthened"),
        pytest.param(
            b"\x03\x02"
            + seal()[2:HEADER_BYTES]
            + seal()[HEADER_BYTES : HEADER_BYTES + RECIPIENT_BYTES] * 2
            + seal()[HEADER_BYTES + RECIPIENT_BYTES :],
            "a recipient appears twice",
            id="twice",
        ),
    ],
)
def test_open_prompt__malformed__names_the_rule(sealed: bytes, rule: str) -> None:
    with pytest.raises(EnvelopeMalformed) as refused:
        open_prompt(sealed, context(), ENTRY, kem())
    assert refused.value.rule == rule


@pytest.mark.parametrize(
    "padded",
    [
        pytest.param((600).to_bytes(4) + bytes(508), id="length beyond the bucket"),
        pytest.param((2).to_bytes(4) + b"{}" + bytes(505) + b"\x01", id="padding not zero"),
    ],
)
def test_open_prompt__sealed_by_a_careless_wallet__is_an_invalid_prompt(padded: bytes) -> None:
    head = seal()[: HEADER_BYTES + RECIPIENT_BYTES]
    body = AESGCM(secret().prompt_key(context())).encrypt(bytes(12), padded, context().digest())
    with pytest.raises(PromptInvalid) as refused:
        open_prompt(head + body, context(), ENTRY, kem())
    assert refused.value.field == "padding"


def test_b3__one_text_under_two_secrets__opens_for_none_but_the_committed_one() -> None:
    """AES-GCM does not commit to its key: a requester could make a prompt invalid for the primary
    alone, whose decline then ended what the second recipient streamed.
    """
    first, second = ShardId(10), ShardId(11)
    one, two = (
        seal_prompt(
            prompt(),
            RequestSecret(bytes([number]) * 32),
            context(),
            [(first, public(kem(10))), (second, public(kem(11)))],
        )
        for number in (7, 8)
    )
    # The second recipient's part of the one, with the other's secret.
    at = HEADER_BYTES + RECIPIENT_BYTES
    mixed = one[:at] + two[at : at + RECIPIENT_BYTES] + one[at + RECIPIENT_BYTES :]
    assert open_prompt(mixed, context(), first, kem(10))[1] == prompt()
    with pytest.raises(EnvelopeUndecryptable):
        open_prompt(mixed, context(), second, kem(11))


def test_b3__secret_was_not_committed_to__does_not_open_although_its_text_would() -> None:
    sealed = seal()
    other = RequestSecret(bytes([8]) * 32).key_commitment(context())
    with pytest.raises(EnvelopeUndecryptable):
        open_prompt(sealed[:2] + other + sealed[HEADER_BYTES:], context(), ENTRY, kem())


def test_open_answer__by_the_requester__is_what_was_sealed() -> None:
    sealed = seal_answer(ANSWER, secret(), context(), REQUEST)
    assert len(sealed) == 2 + 12 + 512 + 16
    assert open_answer(sealed, secret(), context(), REQUEST) == ANSWER


def test_seal_answer__twice_under_one_key__never_repeats_a_nonce() -> None:
    sealed = [seal_answer(ANSWER, secret(), context(), REQUEST) for _ in range(8)]
    assert len({one[2:14] for one in sealed}) == len(sealed)


@pytest.mark.parametrize(
    ("reader", "claimed", "number"),
    [
        pytest.param(secret(8), context(), REQUEST, id="another secret"),
        pytest.param(secret(), context(chain_id=1), REQUEST, id="another chain"),
        pytest.param(secret(), context(), RequestId(78), id="another request"),
    ],
)
def test_open_answer__of_another_request__does_not_open(
    reader: RequestSecret, claimed: object, number: RequestId
) -> None:
    sealed = seal_answer(ANSWER, secret(), context(), REQUEST)
    with pytest.raises(AnswerUndecryptable):
        open_answer(sealed, reader, claimed, number)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "sealed", [b"", b"\x01" + bytes(541), b"\x02" + bytes(100)], ids=["empty", "version", "size"]
)
def test_open_answer__malformed__is_invalid(sealed: bytes) -> None:
    with pytest.raises(AnswerInvalid) as refused:
        open_answer(sealed, secret(), context(), REQUEST)
    assert refused.value.field == "the ciphertext"


def test_h11__runs_broke__anyone_reads_over_which_shards_and_no_one_alters_them() -> None:
    broken = replace(ANSWER, earlier_shards=(ShardId(4), ShardId(1 << 31)))
    sealed = seal_answer(broken, secret(), context(), REQUEST)
    assert read_earlier_shards(sealed) == (4, 1 << 31)
    assert open_answer(sealed, secret(), context(), REQUEST) == broken
    without = sealed[:1] + bytes([0]) + sealed[10:]
    other = sealed[:5] + bytes([9]) + sealed[6:]
    for altered in (without, other):
        with pytest.raises(AnswerUndecryptable):
            open_answer(altered, secret(), context(), REQUEST)


@pytest.mark.parametrize("sealed", [b"\x02", b"\x02\x01\0\0", b"\x02\xff" + bytes(1020)])
def test_h11__names_are_malformed__are_invalid(sealed: bytes) -> None:
    with pytest.raises(AnswerInvalid):
        read_earlier_shards(sealed)


def test_h11__answer_with_as_many_names_as_fit__is_no_longer_than_an_envelope() -> None:
    names = tuple(ShardId(each) for each in range(1, MAX_EARLIER_SHARDS + 1))
    long = Answer("x" * 65_000, (1,), "length", 1, 1, earlier_shards=names)
    assert len(seal_answer(long, secret(), context(), REQUEST)) <= MAX_ENVELOPE_BYTES
    with pytest.raises(AnswerInvalid):
        replace(long, earlier_shards=(*names, ShardId(99)))


def test_seal_answer__too_long__is_refused() -> None:
    long = Answer("x" * 70_000, (1,), "length", input_tokens=1, output_tokens=1)
    with pytest.raises(EnvelopeTooLarge):
        seal_answer(long, secret(), context(), REQUEST)


def test_seal_prompt__twice__looks_different_and_holds_no_plaintext() -> None:
    first, second = seal(), seal()
    head = 2 + RECIPIENT_BYTES
    assert first[:head] != second[:head]
    assert CANARY.encode() not in first


def test_reprs__of_all_that_is_secret__show_nothing() -> None:
    shown = repr((prompt(), ANSWER, secret(), prompt().sampling, prompt().messages[0]))
    assert CANARY not in shown
    assert secret().value.hex() not in shown


def test_errors__of_a_prompt_that_is_not_valid__say_nothing_of_it() -> None:
    bad = b'{"messages":[{"role":"user","content":"%s","%s":1}],"sampling":{}}'
    with pytest.raises(TeeTeeError) as refused:
        Prompt.from_json(bad % (CANARY.encode(), CANARY.encode()))
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None
