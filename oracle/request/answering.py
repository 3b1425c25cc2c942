# SPDX-License-Identifier: Apache-2.0
"""Answers a request: opens its envelope, runs the inference, seals the answer.

Nothing readable leaves `answer`: it returns ciphertext or a reason, and its errors name kinds.
Python cannot wipe strings; the promise is that plaintext is neither kept nor written.
"""

import math
from collections.abc import Callable
from dataclasses import replace

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from oracle.errors import Stopped
from oracle.inference.errors import (
    Blocker,
    InferenceStopped,
    JobCancelled,
    PromptNotRendered,
    PromptRejected,
)
from oracle.inference.inference import Inference
from oracle.inference.job import Completion, InferenceJob
from oracle.inference.live_text import Finished, Interrupted, LiveTexts
from oracle.records import Answered, Opening, Outcome, Refused
from teetee.chain.types.requests import DeclineReason
from teetee.errors import EnvelopeError, PromptInvalid
from teetee.protocol.answer import MAX_EARLIER_SHARDS, Answer
from teetee.protocol.envelope import open_prompt, seal_answer
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import Prompt
from teetee.protocol.receipts import Settlement
from teetee.protocol.request_secret import RequestSecret
from teetee.protocol.sealing.key import SealingPrivateKey
from teetee.protocol.sealing.padding import MAX_PLAINTEXT_BYTES
from teetee.protocol.typed_data import escrow_domain

_REASONS = {
    Blocker.CAPACITY: DeclineReason.OVERLOADED,
    Blocker.PATH: DeclineReason.NO_PATH,
}


class _TooManyShards(Exception):
    """Runs broke over more shards than an answer can name."""


class EnvelopeAnswerer:
    """Implements `oracle.request.answer_pool.Answerer` for an entry shard."""

    def __init__(
        self,
        *,
        inference: Inference,
        texts: LiveTexts,
        shard_id: ShardId,
        kem: SealingPrivateKey,
        signer: LocalAccount,
    ) -> None:
        self._inference = inference
        self._texts = texts
        self._shard_id = shard_id
        self._kem = kem
        self._signer = signer

    def screen(self, opening: Opening) -> Refused | None:
        """The refusal of an envelope that does not open, or holds no prompt; None: it does. Raises
        `NoPermittedPath`.
        """
        opened = self._open(opening)
        if isinstance(opened, Refused):
            return opened
        _, prompt = opened
        if _names_shards(prompt):
            deadline = opening.request.deadline
            self._inference.require_permitted_path(prompt.shards.permits, until=deadline)
        return None

    def answer(
        self,
        opening: Opening,
        *,
        give_up: Callable[[], bool],
        seconds_left: Callable[[], float] = lambda: math.inf,
    ) -> Outcome:
        """A sealed answer, or a refusal for a fault of the request or for lack of time.

        Raises:
            Retryable: there is no path yet, or this enclave cannot run the request now.
            Stopped: the process stops; the same answer can be computed after its next start.
        """
        try:
            return self._answer(opening, give_up, seconds_left)
        except InferenceStopped:
            raise Stopped from None
        except JobCancelled as error:
            return Refused(_REASONS[error.blocker])
        except PromptNotRendered:
            # INVALID would say that no recipient can answer it.
            return Refused(DeclineReason.OVERLOADED)
        except PromptRejected:
            return Refused(DeclineReason.INVALID)

    def _answer(
        self, opening: Opening, give_up: Callable[[], bool], seconds_left: Callable[[], float]
    ) -> Outcome:
        opened = self._open(opening)
        if isinstance(opened, Refused):
            return opened
        secret, prompt = opened
        job = replace(
            self._job(opening, secret, prompt), is_cancelled=give_up, seconds_left=seconds_left
        )
        try:
            return self._run(job, opening, secret)
        except _TooManyShards:
            return Refused(DeclineReason.NO_PATH)

    def _open(self, opening: Opening) -> tuple[RequestSecret, Prompt] | Refused:
        try:
            return open_prompt(opening.envelope, opening.context, self._shard_id, self._kem)
        except EnvelopeError:
            return Refused(DeclineReason.UNREADABLE)
        except PromptInvalid:
            return Refused(DeclineReason.INVALID)

    def _job(self, opening: Opening, secret: RequestSecret, prompt: Prompt) -> InferenceJob:
        request, context, sampling = opening.request, opening.context, prompt.sampling
        # The default seed derives from the secret, so that a second run gives the same text.
        seed = secret.seed(context) if sampling.seed is None else sampling.seed
        return InferenceJob(
            request_id=request.request_id,
            salt_of=lambda hop: secret.commitment_salt(context, hop),
            token_ids=self._inference.encode(prompt.messages),
            sampling=replace(sampling, seed=seed),
            max_input_tokens=request.max_input_tokens,
            max_output_tokens=request.max_output_tokens,
            max_answer_bytes=MAX_PLAINTEXT_BYTES,
            expires_at=request.deadline,
            permits=prompt.shards.permits,
            names_shards=_names_shards(prompt),
            is_cancelled=lambda: False,
        )

    def _run(self, job: InferenceJob, opening: Opening, secret: RequestSecret) -> Answered:
        proof = secret.stream_proof(opening.context, job.request_id)
        text = self._texts.open(job.request_id, proof)
        end: Finished | Interrupted = Interrupted()
        try:
            completion = self._inference.run(job, text.append)
            if len(completion.earlier_shards) > MAX_EARLIER_SHARDS:
                raise _TooManyShards
            answered = self._seal(opening, secret, completion)
            end = Finished(completion.finish_reason)
            return answered
        finally:
            self._texts.close(job.request_id, text, end)

    def _seal(self, opening: Opening, secret: RequestSecret, completion: Completion) -> Answered:
        request_id, context = opening.request_id, opening.context
        answer = Answer(
            text=completion.text,
            token_ids=tuple(completion.token_ids),
            finish_reason=completion.finish_reason,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            earlier_shards=tuple(completion.earlier_shards),
        )
        sealed = seal_answer(answer, secret, context, request_id)
        settlement = Settlement(
            request_id=request_id,
            requester=context.requester,
            nonce_prefix=context.nonce_prefix,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            answer_hash=keccak(sealed),
            last_receipt=completion.receipts[-1].receipt.struct_hash(),
        )
        domain = escrow_domain(context.chain_id, context.escrow)
        return Answered(
            signed=settlement.sign(self._signer, domain),
            receipts=tuple(completion.receipts),
            answer=sealed,
        )


def _names_shards(prompt: Prompt) -> bool:
    """Whether its requester chose the shards that may compute."""
    return bool(prompt.shards.only or prompt.shards.avoid)
