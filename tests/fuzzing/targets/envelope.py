# SPDX-License-Identifier: Apache-2.0
"""Sealed prompts and answers, and what is inside them.

A fuzzer forges no ciphertext. The first byte of an input therefore says what the rest is: an
envelope, a sealed answer, or the content of one, which the target seals itself.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from teetee.errors import (
    AnswerInvalid,
    AnswerUndecryptable,
    EnvelopeMalformed,
    EnvelopeUndecryptable,
    NotARecipient,
    PromptInvalid,
)
from teetee.protocol.answer import Answer
from teetee.protocol.envelope import (
    ANSWER_VERSION,
    open_answer,
    open_prompt,
    read_earlier_shards,
    seal_answer,
    seal_prompt,
)
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import Message, Prompt, Sampling, ShardChoice
from teetee.protocol.sealing.padding import BUCKETS
from tests.fuzzing.target import Target
from tests.teetee.requests import ENTRY, REQUEST, context, kem, public, secret

CONTEXT, SECRET, KEM = context(), secret(), kem()
SEALED_PROMPT, SEALED_ANSWER, PADDED_PROMPT, PADDED_ANSWER, PROMPT, ANSWER = b"ESpaPA"
"""The first byte."""

_PROMPT = Prompt(
    (Message("system", "Be brief."), Message("user", "Why?")),
    Sampling(16, 0.5, 0.9, 40, 7, ("\n\n", "END")),
    ShardChoice((ShardId(3), ShardId(4)), (ShardId(9),)),
)
_ANSWER = Answer("Because.", (1, 2, 3), "stop", 9, 3)
_SEALED = seal_prompt(_PROMPT, SECRET, CONTEXT, [(ENTRY, public(KEM))])
_ENVELOPE_HEAD = _SEALED[: -BUCKETS[0] - 16]
_PROMPT_KEY, _PROMPT_DATA = AESGCM(SECRET.prompt_key(CONTEXT)), CONTEXT.digest()
_ANSWER_KEY = AESGCM(SECRET.answer_key(CONTEXT, REQUEST))
_ANSWER_HEAD = bytes([ANSWER_VERSION, 1]) + (9).to_bytes(4)
_ANSWER_DATA = _PROMPT_DATA + REQUEST.to_bytes(32) + _ANSWER_HEAD


def run(data: bytes) -> None:
    """What opens can be sealed again, and then opens to the same."""
    what, rest = data[:1], data[1:]
    if what == bytes([SEALED_PROMPT]):
        open_prompt(rest, CONTEXT, ENTRY, KEM)
    elif what == bytes([SEALED_ANSWER]):
        shards = read_earlier_shards(rest)
        assert open_answer(rest, SECRET, CONTEXT, REQUEST).earlier_shards == shards
    elif what == bytes([PADDED_PROMPT]):
        body = _PROMPT_KEY.encrypt(bytes(12), _filled(rest), _PROMPT_DATA)
        secret, prompt = open_prompt(_ENVELOPE_HEAD + body, CONTEXT, ENTRY, KEM)
        assert secret == SECRET
        assert Prompt.from_json(prompt.to_json()) == prompt
    elif what == bytes([PADDED_ANSWER]):
        sealed = _ANSWER_KEY.encrypt(bytes(12), _filled(rest), _ANSWER_DATA)
        answer = open_answer(_ANSWER_HEAD + bytes(12) + sealed, SECRET, CONTEXT, REQUEST)
        assert answer.earlier_shards == (9,)
    elif what == bytes([PROMPT]):
        prompt = Prompt.from_json(rest)
        assert Prompt.from_json(prompt.to_json()) == prompt
    else:
        answer = Answer.from_json(rest)
        assert Answer.from_json(answer.to_json()) == answer


def seeds() -> Mapping[str, bytes]:
    """One of each kind."""
    prompt, answer = _PROMPT.to_json(), _ANSWER.to_json()
    return {
        "sealed-prompt": bytes([SEALED_PROMPT]) + _SEALED,
        "sealed-answer": bytes([SEALED_ANSWER]) + seal_answer(_ANSWER, SECRET, CONTEXT, REQUEST),
        "padded-prompt": bytes([PADDED_PROMPT]) + len(prompt).to_bytes(4) + prompt,
        "padded-answer": bytes([PADDED_ANSWER]) + len(answer).to_bytes(4) + answer,
        "prompt": bytes([PROMPT]) + prompt,
        "answer": bytes([ANSWER]) + answer,
    }


def _filled(plaintext: bytes) -> bytes:
    """Zeros up to a bucket; what is longer than the largest fills none."""
    size = next((bucket for bucket in BUCKETS if len(plaintext) <= bucket), len(plaintext))
    return plaintext.ljust(size, b"\0")


_FIELDS = (*Prompt.__slots__, *Sampling.__slots__, *Answer.__slots__, "role", "content", "usage")

TARGET = Target(
    name="envelope",
    summary="envelopes, sealed answers and their content: teetee/protocol/envelope.py",
    run=run,
    errors=(
        AnswerInvalid,
        AnswerUndecryptable,
        EnvelopeMalformed,
        EnvelopeUndecryptable,
        NotARecipient,
        PromptInvalid,
    ),
    seeds=seeds,
    words=(
        *(f'"{name}":'.encode() for name in _FIELDS),
        *(b'"%s"' % word for word in (b"system", b"user", b"assistant", b"stop", b"length")),
        *(b"null", b"true", b"NaN", b"1e999", b"-0.0", b"2.5", b"\\ud800", b'"only":', b'"avoid":'),
    ),
)
