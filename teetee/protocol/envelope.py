# SPDX-License-Identifier: Apache-2.0
"""Seals and opens prompts and answers. docs/protocol.md section 4.

`teetee.client` decides beforehand whether the recipients are trustworthy (attested, active,
unexpired). Plaintext leaves these functions only as `Prompt` and `Answer`; errors never contain it.
"""

import hmac
import os
from collections.abc import Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from teetee.errors import (
    AnswerInvalid,
    AnswerUndecryptable,
    EnvelopeMalformed,
    EnvelopeUndecryptable,
    KeyInvalid,
    NotARecipient,
    PromptInvalid,
    RecipientInvalid,
)
from teetee.protocol.answer import MAX_EARLIER_SHARDS, Answer
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.prompt import Prompt
from teetee.protocol.request_secret import SECRET_BYTES, RequestContext, RequestSecret
from teetee.protocol.sealing.key import ENCAPSULATION_BYTES, SealingPrivateKey, SealingPublicKey
from teetee.protocol.sealing.padding import BUCKETS, pad, unpad

VERSION = 3
"""Of envelopes: 1 was sealed to X25519 alone; 2 could hold two prompts, for two recipients."""
ANSWER_VERSION = 2
MAX_RECIPIENTS = 4

_TAG_BYTES = 16
# HPKE: encapsulated key ‖ ciphertext of the secret
_SEALED_BYTES = ENCAPSULATION_BYTES + SECRET_BYTES + _TAG_BYTES
_RECIPIENT_BYTES = 4 + _SEALED_BYTES
_COMMITMENT_BYTES = 32
_HEADER_BYTES = 2 + _COMMITMENT_BYTES
MAX_ENVELOPE_BYTES = _HEADER_BYTES + MAX_RECIPIENTS * _RECIPIENT_BYTES + BUCKETS[-1] + _TAG_BYTES

_NONCE = bytes(12)  # for prompts: each prompt key seals one message
_NONCE_BYTES = 12


def seal_prompt(
    prompt: Prompt,
    secret: RequestSecret,
    context: RequestContext,
    recipients: Sequence[tuple[ShardId, SealingPublicKey]],
) -> bytes:
    """Seal to 1 to 4 entry shards, the first being the primary one.

    The secret must be fresh: using it for two prompts would reveal both.
    Raises `RecipientInvalid`, `EnvelopeTooLarge`, `FieldInvalid` (context).
    """
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise RecipientInvalid(f"there must be 1 to {MAX_RECIPIENTS}, not {len(recipients)}")
    if len({shard_id for shard_id, _ in recipients}) != len(recipients):
        raise RecipientInvalid("a shard appears twice")
    sealed = b"".join(_seal_secret(secret, context, shard_id, key) for shard_id, key in recipients)
    body = AESGCM(secret.prompt_key(context)).encrypt(
        _NONCE, pad(prompt.to_json()), context.digest()
    )
    header = bytes([VERSION, len(recipients)]) + secret.key_commitment(context)
    return header + sealed + body


def open_prompt(
    envelope: bytes, context: RequestContext, shard_id: ShardId, key: SealingPrivateKey
) -> tuple[RequestSecret, Prompt]:
    """Open as one of the recipients.

    Raises `EnvelopeMalformed`, `NotARecipient`, `EnvelopeUndecryptable`, `PromptInvalid`, all of
    them permanent.
    """
    commitment, recipients, body = _split(envelope)
    sealed = dict(recipients).get(shard_id)
    if sealed is None:
        raise NotARecipient(shard_id, tuple(recipient for recipient, _ in recipients))
    try:
        secret = RequestSecret(key.open(sealed, _info(context, shard_id)))
        # All recipients have the same secret, so all open the same prompt.
        if not hmac.compare_digest(secret.key_commitment(context), commitment):
            raise EnvelopeUndecryptable
        padded = AESGCM(secret.prompt_key(context)).decrypt(_NONCE, body, context.digest())
    except (InvalidTag, ValueError):
        raise EnvelopeUndecryptable from None
    plaintext = unpad(padded)
    if plaintext is None:
        raise PromptInvalid(
            "padding", "must be a length, that many bytes, and zeros up to a bucket"
        )
    return secret, Prompt.from_json(plaintext)


def seal_answer(
    answer: Answer, secret: RequestSecret, context: RequestContext, request_id: RequestId
) -> bytes:
    """Seal for those who know the secret; `answer.earlier_shards` stays readable for anyone, and
    cannot be altered. Raises `EnvelopeTooLarge`.

    The nonce is random: two recipients, or one that lost its journal, may seal different answers
    with the same key, and both can become public.
    """
    key, nonce = AESGCM(secret.answer_key(context, request_id)), os.urandom(_NONCE_BYTES)
    shards = answer.earlier_shards
    header = bytes([ANSWER_VERSION, len(shards)]) + b"".join(each.to_bytes(4) for each in shards)
    data = _answer_data(context, request_id) + header
    return header + nonce + key.encrypt(nonce, pad(answer.to_json()), data)


def read_earlier_shards(sealed: bytes) -> tuple[ShardId, ...]:
    """What a sealed answer tells anyone: the shards of runs that broke before the settled one.

    Raises `AnswerInvalid`.
    """
    if sealed[:1] != bytes([ANSWER_VERSION]) or len(sealed) < 2:
        raise AnswerInvalid("the ciphertext", f"must be of version {ANSWER_VERSION}")
    count, header = sealed[1], sealed[2 : 2 + 4 * sealed[1]]
    if count > MAX_EARLIER_SHARDS or len(header) != 4 * count:
        raise AnswerInvalid("earlier_shards", f"must be at most {MAX_EARLIER_SHARDS}, all present")
    return tuple(
        ShardId(int.from_bytes(header[start : start + 4])) for start in range(0, 4 * count, 4)
    )


def open_answer(
    sealed: bytes, secret: RequestSecret, context: RequestContext, request_id: RequestId
) -> Answer:
    """Open as the requester. Raises `AnswerUndecryptable`, `AnswerInvalid`."""
    earlier_shards = read_earlier_shards(sealed)
    header = 2 + 4 * len(earlier_shards)
    body = header + _NONCE_BYTES
    if len(sealed) - body - _TAG_BYTES not in BUCKETS:
        raise AnswerInvalid("the ciphertext", "must fill a bucket")
    key = AESGCM(secret.answer_key(context, request_id))
    data = _answer_data(context, request_id) + sealed[:header]
    try:
        padded = key.decrypt(sealed[header:body], sealed[body:], data)
    except InvalidTag:
        raise AnswerUndecryptable from None
    plaintext = unpad(padded)
    if plaintext is None:
        raise AnswerInvalid(
            "padding", "must be a length, that many bytes, and zeros up to a bucket"
        )
    return replace(Answer.from_json(plaintext), earlier_shards=earlier_shards)


def _seal_secret(
    secret: RequestSecret, context: RequestContext, shard_id: ShardId, key: SealingPublicKey
) -> bytes:
    if not 0 < shard_id < 1 << 32:
        raise RecipientInvalid("a shard id must be from 1 to 4294967295")
    try:
        sealed = key.seal(secret.value, _info(context, shard_id))
    except KeyInvalid:
        raise RecipientInvalid(f"shard {shard_id} has no usable sealing key") from None
    return shard_id.to_bytes(4) + sealed


def _info(context: RequestContext, shard_id: ShardId) -> bytes:
    return b"teetee/envelope/v3" + context.digest() + shard_id.to_bytes(4)


def _answer_data(context: RequestContext, request_id: RequestId) -> bytes:
    return context.digest() + request_id.to_bytes(32)


def _split(envelope: bytes) -> tuple[bytes, list[tuple[ShardId, bytes]], bytes]:
    """The commitment, the recipients with the secret sealed to each, and the body."""
    if len(envelope) < 2 or envelope[0] != VERSION:
        raise EnvelopeMalformed(f"it must be of version {VERSION}")
    count = envelope[1]
    if not 1 <= count <= MAX_RECIPIENTS:
        raise EnvelopeMalformed(f"it must have 1 to {MAX_RECIPIENTS} recipients, not {count}")
    start = _HEADER_BYTES + count * _RECIPIENT_BYTES
    if len(envelope) - start - _TAG_BYTES not in BUCKETS:
        raise EnvelopeMalformed(f"its {len(envelope)} bytes do not fill a bucket")
    starts = range(_HEADER_BYTES, start, _RECIPIENT_BYTES)
    parts = (envelope[at : at + _RECIPIENT_BYTES] for at in starts)
    recipients = [(ShardId(int.from_bytes(part[:4])), part[4:]) for part in parts]
    if len({shard_id for shard_id, _ in recipients}) != count:
        raise EnvelopeMalformed("a recipient appears twice")
    return envelope[2:_HEADER_BYTES], recipients, envelope[start:]
