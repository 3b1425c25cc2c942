# SPDX-License-Identifier: Apache-2.0
"""A request's work put together from fakes and the real journal: the workbench of the tests of
work, watcher, journal.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from eth_account import Account
from structlog.typing import FilteringBoundLogger

from oracle.chain.heads import Heads
from oracle.errors import NoPath, Stopped
from oracle.process.logs import open_log
from oracle.records import Answered, Made, Opening
from oracle.request.decision import Timing
from oracle.request.in_flight import InFlight
from oracle.request.journal import Journal, Standing
from oracle.request.progress import Progress
from oracle.request.settling import Settler
from oracle.request.watcher import Watcher
from oracle.request.workflow import RequestWork
from teetee.protocol.identifiers import ModelId, RequestId
from teetee.protocol.layers import LayerRange
from teetee.protocol.receipts import ReceiptDomain, Settlement, StageReceipt
from tests.oracle.fake_chain import CHAIN_ID, ESCROW, SHARD, FakeChain

ACCOUNT = Account.from_key(bytes(31) + b"\1")
DOMAIN = ReceiptDomain(CHAIN_ID, ESCROW)
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


class FakeMaker:
    """Answers at once, unless told otherwise."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.pathless = 0  # how often there was no path
        self.result: Callable[[Opening], Made] = lambda opening: answered(opening.request_id)
        self.has_path = True
        self.hold = threading.Event()
        self.hold.set()

    def make(self, opening: Opening, *, give_up: Callable[[], bool]) -> Made:
        if not self.has_path:
            self.pathless += 1
            raise NoPath(model_id=1, layers=4)
        self.made.append(int(opening.request_id))
        if not self.hold.wait(SECONDS):
            raise Stopped
        return self.result(opening)


class Bench:
    """One oracle process without its process: `restart` stands for its end and next start."""

    def __init__(self, directory: Path, chain: FakeChain) -> None:
        self.directory = directory
        self.chain = chain
        self.maker = FakeMaker()
        self.log: FilteringBoundLogger = open_log()
        self.timing = Timing(decline_margin=15, refund_grace=30)
        self._begin()

    def _begin(self) -> None:
        self.stop, self.abandon = threading.Event(), threading.Event()
        self.heads = Heads(
            blocks=self.chain, chain_id=CHAIN_ID, stale_after=0, clock=time.monotonic
        )
        self.progress = Progress()
        self.in_flight = InFlight()
        self.settler = Settler(writer=self.chain, window=0.05, abandon=self.abandon, log=self.log)
        self.work = RequestWork(
            reader=self.chain,
            writer=self.chain,
            settling=self.settler,
            maker=self.maker,
            heads=self.heads,
            shard_id=SHARD,
            timing=self.timing,
            progress=self.progress,
            in_flight=self.in_flight,
            pause=0.02,
            stop=self.stop,
            log=self.log,
        )
        self.directory.mkdir(exist_ok=True)
        self.journal = Journal(
            data_directory=self.directory, chain_id=CHAIN_ID, escrow=ESCROW, steps=self.work
        )
        self.watcher = Watcher(
            blocks=self.chain,
            reader=self.chain,
            heads=self.heads,
            journal=self.journal,
            shard_id=SHARD,
            confirmations=0,
            most=8,
            timing=self.timing,
            log=self.log,
        )
        self.journal.open()
        self._thread = threading.Thread(target=self._settle, daemon=True)
        self._thread.start()

    def _settle(self) -> None:
        while not self.abandon.is_set():
            self.settler.run_once()

    def look(self) -> None:
        """One look of the watcher."""
        self.heads.poll()
        self.watcher.look()

    def end(self) -> None:
        """As on SIGTERM, without grace."""
        self.stop.set()
        self.abandon.set()
        self.maker.hold.set()
        self.heads.wake()
        self.in_flight.wait_until_none(SECONDS)
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
            lambda: self.journal.standing(number) not in (Standing.HELD, Standing.ABSENT),
            f"the end of the work on request {number}",
        )
