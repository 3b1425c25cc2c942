# SPDX-License-Identifier: Apache-2.0
"""Opens the envelope, runs the path, seals the answer: the one place of the oracle where plaintext
is.

Nothing readable leaves `make`: it returns ciphertext or a reason, and its errors name kinds. Python
cannot wipe strings; what is promised is that they are not kept and never written.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from structlog.typing import FilteringBoundLogger

from oracle.errors import NoPath, Stopped
from oracle.inference.live_text import Finished, Interrupted, LiveTexts
from oracle.inference.paths import Paths
from oracle.records import Answered, Made, Opening, Refused
from shard_runtime import GenerationJob
from shard_runtime.engine.entry.path_search import PathFailure, blamed_for, is_full
from shard_runtime.errors import EntryClosed, PromptError, RunCancelled
from teetee.chain.types.requests import DeclineReason, Request
from teetee.errors import EnvelopeError, EnvelopeTooLarge, PromptInvalid
from teetee.protocol.answer import Answer, FinishReason
from teetee.protocol.envelope import open_prompt, seal_answer
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import Prompt, Sampling
from teetee.protocol.receipts import ReceiptDomain, Settlement, SignedReceipt
from teetee.protocol.request_secret import RequestSecret


class Generation(Protocol):
    """What a run of the path gives."""

    @property
    def text(self) -> str: ...
    @property
    def token_ids(self) -> Sequence[int]: ...
    @property
    def finish_reason(self) -> FinishReason: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def receipts(self) -> Sequence[SignedReceipt]: ...


class EntryRuntime(Protocol):
    """What is used of `shard_runtime.Entry`; see the package's docstring for the errors."""

    def encode(self, messages: Sequence[dict[str, str]]) -> Sequence[int]:
        """Token ids by the model's chat template."""

    def check(self, token_ids: Sequence[int]) -> None:
        """Raises `PromptError` for what the model cannot read."""

    def generate(self, job: GenerationJob) -> Generation:
        """An answer, over as many paths as it takes."""


class Answering:
    """Fulfils `oracle.request.workflow.AnswerMaker` for an entry shard."""

    def __init__(
        self,
        *,
        entry: EntryRuntime,
        paths: Paths,
        texts: LiveTexts,
        shard_id: ShardId,
        kem: X25519PrivateKey,
        signer: LocalAccount,
        at_once: int,
        stop: threading.Event,
        abandon: threading.Event,
        log: FilteringBoundLogger,
    ) -> None:
        """`stop`: take up nothing new; `abandon`: let go of what runs."""
        self._entry = entry
        self._paths = paths
        self._texts = texts
        self._shard_id = shard_id
        self._kem = kem
        self._signer = signer
        self._room = threading.BoundedSemaphore(at_once)
        self._stop = stop
        self._abandon = abandon
        self._log = log

    def make(self, opening: Opening, *, give_up: Callable[[], bool]) -> Made:
        """A sealed answer, or a refusal for what is wrong with the request itself.

        Raises:
            Retryable: no path, or no room; or this enclave's own computing failed.
            Stopped: the process stops; the same answer can be made again after its next start.
        """
        while not self._room.acquire(timeout=0.2):
            if self._stop.is_set():
                raise Stopped
            if give_up():
                return Refused(DeclineReason.OVERLOADED)
        try:
            if self._stop.is_set():
                raise Stopped
            return self._make(opening, give_up)
        finally:
            self._room.release()

    def _make(self, opening: Opening, give_up: Callable[[], bool]) -> Made:
        try:
            secret, prompt = open_prompt(
                opening.envelope, opening.context, self._shard_id, self._kem
            )
            token_ids = self._tokens(prompt)
        except EnvelopeError:
            return Refused(DeclineReason.UNREADABLE)
        except (PromptInvalid, PromptError):
            return Refused(DeclineReason.INVALID)
        if len(token_ids) > opening.request.max_input_tokens:
            return Refused(DeclineReason.INVALID)
        sampling = _sampling(prompt.sampling, secret, opening)
        return self._run(opening, secret, token_ids, sampling, give_up)

    def _tokens(self, prompt: Prompt) -> Sequence[int]:
        token_ids = self._entry.encode(
            [{"role": message.role, "content": message.content} for message in prompt.messages]
        )
        self._entry.check(token_ids)
        return token_ids

    def _run(
        self,
        opening: Opening,
        secret: RequestSecret,
        token_ids: Sequence[int],
        sampling: Sampling,
        give_up: Callable[[], bool],
    ) -> Made:
        # While nothing has begun, whoever called waits for a path better than the runtime would.
        route = _Route(self._paths, opening.request, self._log)
        route.choose(frozenset())
        try:
            return self._generate(opening, secret, token_ids, sampling, route, give_up)
        except RunCancelled:
            if self._abandon.is_set():
                raise Stopped from None
            return Refused(route.hindrance)
        except (PromptError, EnvelopeTooLarge):
            return Refused(DeclineReason.INVALID)
        except EntryClosed:
            raise Stopped from None

    def _generate(
        self,
        opening: Opening,
        secret: RequestSecret,
        token_ids: Sequence[int],
        sampling: Sampling,
        route: "_Route",
        give_up: Callable[[], bool],
    ) -> Answered:
        number, context = opening.request_id, opening.context
        text = self._texts.open(number, secret.stream_proof(context, number))
        outcome: Finished | Interrupted = Interrupted()

        def hear(piece: str) -> None:
            route.holds()
            text.append(piece)

        try:
            job = GenerationJob(
                token_ids=token_ids,
                sampling=sampling,
                choose_path=route.choose,
                request_id=number,
                salt_of=lambda hop: secret.commitment_salt(context, hop),
                on_text=hear,
                on_failure=route.broke,
                is_cancelled=lambda: self._abandon.is_set() or give_up(),
                deadline=math.inf,  # chain time decides, by `give_up`
            )
            generation = self._entry.generate(job)
            answered = self._seal(opening, secret, generation)
            outcome = Finished(generation.finish_reason)
            return answered
        finally:
            self._texts.close(number, text, outcome)

    def _seal(self, opening: Opening, secret: RequestSecret, generation: Generation) -> Answered:
        number, context = opening.request_id, opening.context
        answer = Answer(
            text=generation.text,
            token_ids=tuple(generation.token_ids),
            finish_reason=generation.finish_reason,
            input_tokens=generation.input_tokens,
            output_tokens=generation.output_tokens,
        )
        sealed = seal_answer(answer, secret, context, number)
        settlement = Settlement(
            request_id=number,
            requester=context.requester,
            input_tokens=generation.input_tokens,
            output_tokens=generation.output_tokens,
            answer_hash=keccak(sealed),
            last_receipt=generation.receipts[-1].receipt.struct_hash(),
        )
        domain = ReceiptDomain(context.chain_id, context.escrow)
        return Answered(
            signed=settlement.sign(self._signer, domain),
            receipts=tuple(generation.receipts),
            answer=sealed,
        )


def _sampling(asked: Sampling, secret: RequestSecret, opening: Opening) -> Sampling:
    # The seed comes from the request's secret, so that a second run gives the same text.
    seed = secret.seed(opening.context) if asked.seed is None else asked.seed
    paid = opening.request.max_output_tokens
    return replace(asked, seed=seed, max_tokens=min(asked.max_tokens, paid))


class _Route:
    """Paths for one request; what breaks is logged and comes last for others too."""

    def __init__(self, paths: Paths, request: Request, log: FilteringBoundLogger) -> None:
        self.hindrance = DeclineReason.OVERLOADED
        """Why the request is not answered yet."""
        self._paths = paths
        self._request = request
        self._log = log

    def choose(self, avoiding: frozenset[ShardId]) -> Sequence[ShardId]:
        try:
            return self._paths.choose(avoiding=avoiding, until=self._request.deadline)
        except NoPath:
            # Without shards that broke a path, what broke it is the reason.
            if not avoiding:
                self.hindrance = DeclineReason.NO_PATH
            raise

    def broke(self, error: PathFailure) -> None:
        self.hindrance = DeclineReason.OVERLOADED if is_full(error) else DeclineReason.NO_PATH
        self._paths.blame(blamed_for(error))
        self._log.warning("path broke", request_id=int(self._request.request_id), error=error)

    def holds(self) -> None:
        """Its answer goes on: what it lacks now is time."""
        self.hindrance = DeclineReason.OVERLOADED
