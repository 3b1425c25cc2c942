# SPDX-License-Identifier: Apache-2.0
"""A request's workflow built from fakes and the real journal, for tests of workflow, watcher and
journal.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eth_account import Account
from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.errors import Stopped
from oracle.inference.errors import NoPath
from oracle.process.logs import open_log
from oracle.records import Answered, Opening, Outcome, outcome_from_json
from oracle.request.decision import Timing
from oracle.request.journal import Journal, JournalStatus, Json
from oracle.request.settling import Settler
from oracle.request.watcher import Watcher
from oracle.request.workflow import RequestWorkflow
from teetee.protocol.identifiers import ModelId, RequestId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import Settlement, StageReceipt
from teetee.protocol.typed_data import escrow_domain
from tests.oracle.fake_chain import CHAIN_ID, ESCROW, SHARD, FakeChain

ACCOUNT = Account.from_key(bytes(31) + b"\1")
DOMAIN = escrow_domain(CHAIN_ID, ESCROW)
SECONDS = 20.0


def answered(number: RequestId) -> Answered:
    """A signed answer; always the same for the same request."""
    receipt = StageReceipt(
        request_id=number,
        model_id=ModelId(1),
        shard_id=SHARD,
        layers=LayerRange(0, 4),
        identity_digest=b"i" * 32,
        first_position=0,
        end_position=11,
        input_commitment=b"a" * 32,
        output_commitment=b"b" * 32,
        previous_receipt=bytes(32),
    )
    settlement = Settlement(number, "0x" + "21" * 20, 5, 7, b"h" * 32, receipt.struct_hash())
    return Answered(
        signed=settlement.sign(ACCOUNT, DOMAIN),
        receipts=(receipt.sign(ACCOUNT, DOMAIN),),
        answer=b"ciphertext of %d" % number,
    )


class FakeAnswerer:
    """Answers at once, unless `may_answer` is cleared."""

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.pathless = 0  # how often there was no path
        self.result: Callable[[Opening], Outcome] = lambda opening: answered(opening.request_id)
        self.has_path = True
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer(self, opening: Opening, *, give_up: Callable[[], bool]) -> Outcome:
        if not self.has_path:
            self.pathless += 1
            raise NoPath(model_id=1, layers=4)
        self.attempts.append(int(opening.request_id))
        if not self.may_answer.wait(SECONDS):
            raise Stopped
        return self.result(opening)


class RecordingWorkflow(RequestWorkflow):
    """Remembers the outcomes of its answer steps."""

    outcomes: list[Outcome]

    def answer(self, opening_json: Json) -> dict[str, Any]:
        outcome = super().answer(opening_json)
        self.outcomes.append(outcome_from_json(outcome))
        return outcome


class Bench:
    """One oracle process without its process: `restart` stands for its end and next start."""

    def __init__(self, directory: Path, chain: FakeChain) -> None:
        self.directory = directory
        self.chain = chain
        self.answerer = FakeAnswerer()
        self.log: FilteringBoundLogger = open_log()
        self.timing = Timing(decline_margin=15, refund_grace=30)
        self._begin()

    def _begin(self) -> None:
        self.stop, self.abandon = threading.Event(), threading.Event()
        self.heads = Heads(
            blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=time.monotonic
        )
        self.settler = Settler(writer=self.chain, window=0.05, abandon=self.abandon, log=self.log)
        self.workflow = RecordingWorkflow(
            reader=self.chain,
            writer=self.chain,
            settling=self.settler,
            answerer=self.answerer,
            heads=self.heads,
            shard_id=SHARD,
            timing=self.timing,
            poll_seconds=0.02,
            stop=self.stop,
            log=self.log,
        )
        self.workflow.outcomes = []
        self.directory.mkdir(exist_ok=True)
        self.journal = Journal(
            data_directory=self.directory, chain_id=CHAIN_ID, escrow=ESCROW, steps=self.workflow
        )
        self.watcher = Watcher(
            blocks=self.chain,
            reader=self.chain,
            heads=self.heads,
            journal=self.journal,
            shard_id=SHARD,
            confirmations=0,
            max_active_requests=8,
            timing=self.timing,
            log=self.log,
        )
        self.journal.open()
        self._thread = threading.Thread(target=self._settle, daemon=True)
        self._thread.start()

    def _settle(self) -> None:
        while not self.abandon.is_set():
            self.settler.run_once()

    def poll(self) -> None:
        """One poll of the watcher."""
        self.heads.poll()
        self.watcher.poll()

    def has_answered(self) -> bool:
        """Whether the present process has an answer."""
        return any(isinstance(outcome, Answered) for outcome in self.workflow.outcomes)

    def end(self) -> None:
        """As on SIGTERM, without grace."""
        self.stop.set()
        self.abandon.set()
        self.answerer.may_answer.set()
        self.heads.wake()
        self.workflow.wait_until_idle(SECONDS)
        self.journal.close()
        self._thread.join(SECONDS)

    def restart(self) -> None:
        """Ends and begins again on the same journal."""
        self.end()
        self._begin()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for something to come true; the journal polls, so no event can be awaited."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
            time.sleep(0.01)

    def until_over(self, number: RequestId) -> None:
        """Until the work on a request has ended."""
        self.until(
            lambda: self.journal.status(number) not in (JournalStatus.ACTIVE, JournalStatus.ABSENT),
            f"the end of the work on request {number}",
        )
