# SPDX-License-Identifier: Apache-2.0
"""All parts that serve requests, built from fakes and the real journal."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from eth_account import Account
from eth_utils.crypto import keccak
from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.errors import Stopped
from oracle.inference.errors import NoPath
from oracle.process.logs import open_log
from oracle.process.loops import Loop
from oracle.records import Answered, Opening, Outcome, Refused
from oracle.request.answer_pool import AnswerPool
from oracle.request.decision import Timing
from oracle.request.dispatcher import Dispatcher, Observer
from oracle.request.endings import Endings
from oracle.request.intake import Intake
from oracle.request.journal import Journal
from oracle.request.watcher import Watcher
from teetee.chain.types.requests import DeclineReason
from teetee.protocol.identifiers import ModelId, RequestId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import Settlement, StageReceipt
from teetee.protocol.typed_data import escrow_domain
from tests.oracle.fake_chain import CHAIN_ID, ESCROW, SHARD, FakeChain

ACCOUNT = Account.from_key(bytes(31) + b"\1")
DOMAIN = escrow_domain(CHAIN_ID, ESCROW)
SECONDS = 20.0
GARBAGE = b"not an envelope"


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
    answer = b"ciphertext of %d" % number
    settlement = Settlement(
        number, "0x" + "21" * 20, bytes(4), 5, 7, keccak(answer), receipt.struct_hash()
    )
    return Answered(
        signed=settlement.sign(ACCOUNT, DOMAIN),
        receipts=(receipt.sign(ACCOUNT, DOMAIN),),
        answer=answer,
    )


class FakeAnswerer:
    """Answers at once, unless `may_answer` is cleared. Envelopes are readable, except GARBAGE."""

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.cancelled: list[int] = []  # runs that gave up
        self.pathless = 0  # how often there was no path
        self.result: Callable[[Opening], Outcome] = lambda opening: answered(opening.request_id)
        self.has_path = True
        self.may_answer = threading.Event()
        self.may_answer.set()

    def screen(self, opening: Opening) -> Refused | None:
        return Refused(DeclineReason.UNREADABLE) if opening.envelope == GARBAGE else None

    def answer(
        self,
        opening: Opening,
        *,
        give_up: Callable[[], bool],
        seconds_left: Callable[[], float],
    ) -> Outcome:
        if not self.has_path:
            self.pathless += 1
            raise NoPath(model_id=1, layers=4)
        self.attempts.append(int(opening.request_id))
        deadline = time.monotonic() + SECONDS
        while not self.may_answer.wait(0.01):
            if give_up():
                self.cancelled.append(int(opening.request_id))
                return Refused(DeclineReason.OVERLOADED)
            if time.monotonic() > deadline:
                raise Stopped
        return self.result(opening)


class Bench:
    """One oracle process without its process: `restart` stands for its end and next start."""

    def __init__(
        self,
        directory: Path,
        chain: FakeChain,
        *,
        slots: int = 4,
        places: int = 8,
        observer: Observer | None = None,
    ) -> None:
        self.directory = directory
        self.chain = chain
        self.answerer = FakeAnswerer()
        self.log: FilteringBoundLogger = open_log()
        self.timing = Timing(decline_margin=15, refund_grace=30)
        self.slots, self.places = slots, places
        self.observer = observer
        self._begin()

    def _begin(self) -> None:
        self.stop, self.abandon, self.finished = (threading.Event() for _ in range(3))
        self.heads = Heads(
            blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=time.monotonic
        )
        self.directory.mkdir(exist_ok=True)
        self.journal = Journal(
            data_directory=self.directory,
            chain_id=CHAIN_ID,
            escrow=ESCROW,
            signer=ACCOUNT.address,
            log=self.log,
        )
        self.dispatcher = Dispatcher(
            shard_id=SHARD,
            timing=self.timing,
            places=self.places,
            stop=self.stop,
            clock=time.monotonic,
            log=self.log,
            observer=self.observer,
        )
        self.watcher = Watcher(
            blocks=self.chain,
            reader=self.chain,
            heads=self.heads,
            journal=self.journal,
            shard_id=SHARD,
            confirmations=0,
            on_look=self.dispatcher.on_look,
        )
        self._loops = [
            Loop("work", each, seconds=0.0, stop=self.finished, log=self.log)
            for each in self._connect()
        ]
        self._loops.append(Loop("poll", self.poll, seconds=0.02, stop=self.abandon, log=self.log))
        for loop in self._loops:
            loop.start()

    def _connect(self) -> list[Callable[[], None]]:
        """What the loops run."""
        intake = Intake(
            reader=self.chain,
            heads=self.heads,
            journal=self.journal,
            answerer=self.answerer,
            done=self.dispatcher.on_received,
            log=self.log,
        )
        pool = AnswerPool(
            answerer=self.answerer,
            journal=self.journal,
            heads=self.heads,
            slots=self.slots,
            done=self.dispatcher.on_result,
        )
        endings = Endings(
            reader=self.chain,
            writer=self.chain,
            heads=self.heads,
            done=self.dispatcher.on_posted,
            window=0.05,
            abandon=self.abandon,
            log=self.log,
        )
        self.dispatcher.connect(intake=intake, pool=pool, endings=endings)
        work = [self.dispatcher.run_once, intake.run_once, *endings.tasks().values()]
        return work + [pool.run_once] * self.slots

    def poll(self) -> None:
        """One look at the chain, as a loop makes it again and again."""
        self.heads.poll()
        self.watcher.poll()

    def is_answered(self, number: RequestId) -> bool:
        """Whether the journal has its answer."""
        return number in self.journal.request_ids()

    def end(self) -> None:
        """As on SIGTERM, without grace."""
        self.stop.set()
        self.abandon.set()
        self.answerer.may_answer.set()
        self.dispatcher.wait_until_idle(SECONDS)
        self.finished.set()
        for loop in self._loops:
            loop.join(SECONDS)
        self.journal.close()

    def restart(self) -> None:
        """Ends and begins again on the same journal."""
        self.end()
        self._begin()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for something to come true; other threads do it, so no event can be awaited."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
            time.sleep(0.01)

    def until_over(self, number: RequestId) -> None:
        """Until a request has ended on chain, and nothing is in work any more."""
        self.until(lambda: not self.chain.is_open(number), f"the end of request {number}")
        self.until(lambda: self.dispatcher.wait_until_idle(0), "the end of all work")

    def looks(self, count: int = 3) -> None:
        """Waits for so many more looks at the chain, and what follows from them."""
        target = self.dispatcher._looks + count
        self.until(lambda: self.dispatcher._looks >= target, f"{count} looks")
