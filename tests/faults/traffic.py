# SPDX-License-Identifier: Apache-2.0
"""Requests beside the faults: lanes that ask one question after another, and bursts.

A wallet does what real ones do: it sends a transaction again that a reorganisation dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from random import Random

from demo.errors import ChainRefused
from teetee.chain.types.requests import RequestStatus
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import RequestId
from tests.faults.pace import Pace
from tests.faults.requests import PROMPTS, Asked, Requester, SealingKeys, make_prompts
from tests.faults.rpc import batch_call
from tests.faults.schedule import ENTRIES
from tests.faults.world import FaultWorld

LANES = 6
WINDOWS = (15, 25, 40, 40)
"""Seconds from a request to its deadline, on a quiet machine; the escrow's least is 10."""
BURST_WINDOW = 60
POLL_SECONDS = 0.25
OPENING_SECONDS = 4.0


class Traffic:
    """Lanes run from `resume` to `pause`; `burst` asks many at once."""

    def __init__(self, world: FaultWorld, seed: int, pace: Pace) -> None:
        self._world = world
        self._pace = pace
        prompts = make_prompts()
        self.keys = SealingKeys(world)
        self.lanes = [Requester(world, f"lane {number}", prompts) for number in range(LANES)]
        self.crowd = Requester(world, "crowd", prompts)
        self._seed = seed
        self._flows = threading.Event()
        self._idle = [threading.Event() for _ in self.lanes]
        self._ends = False
        self._burst_lock = threading.Lock()
        self.failures: list[Exception] = []

    @property
    def requesters(self) -> list[Requester]:
        """All wallets that ask."""
        return [*self.lanes, self.crowd]

    def start(self) -> None:
        """Fund the wallets and start the lanes, paused."""
        for name in ENTRIES:
            self.keys.refresh(name)
        for requester in self.requesters:
            requester.fund()
        for number, requester in enumerate(self.lanes):
            thread = threading.Thread(target=self._lane, args=(number, requester), daemon=True)
            thread.start()

    def resume(self) -> None:
        """Lanes ask."""
        self._flows.set()

    def pause(self) -> None:
        """Lanes finish what they have asked."""
        self._flows.clear()
        for idle in self._idle:
            idle.wait()

    def close(self) -> None:
        """Let the lanes end."""
        self._ends = True
        self._flows.set()

    def ask_all(self) -> list[Asked]:
        """Every prompt once: for the reference, before the first fault."""
        asked = [
            self.crowd.ask(prompt, (ENTRIES[prompt % 2],), 60, self.keys)
            for prompt in range(PROMPTS)
        ]
        self.send(asked)
        return asked

    def burst(self, count: int) -> None:
        """`count` requests in as few blocks as possible."""
        with self._burst_lock:
            chance = Random()
            asked = [
                self.crowd.ask(
                    chance.randrange(PROMPTS),
                    (chance.choice(ENTRIES),),
                    int(self._pace.seconds(BURST_WINDOW)),
                    self.keys,
                )
                for _ in range(count)
            ]
            self.send(asked)

    def send(self, asked: Sequence[Asked]) -> None:
        """Send or send again; what the chain has already is refused without effect."""
        with suppress(OSError, ValueError):
            batch_call(self._world, [("eth_sendRawTransaction", [one.raw]) for one in asked])

    def resend_missing(self, asked: Sequence[Asked]) -> int:
        """Send those again that are in no block; how many they are."""
        receipts = batch_call(
            self._world, [("eth_getTransactionReceipt", [one.transaction]) for one in asked]
        )
        missing = [one for one, found in zip(asked, receipts, strict=True) if found is None]
        if missing:
            self.send(missing)
        return len(missing)

    def resend_recent(self) -> None:
        """The same for all requests since `take_asked`."""
        for requester in self.requesters:
            with suppress(OSError, ValueError):  # the chain is suspended
                self.resend_missing(requester.see_asked())

    def _lane(self, number: int, requester: Requester) -> None:
        chance = Random(f"{self._seed}/lane {number}")
        while not self._ends:
            if not self._flows.is_set():
                self._idle[number].set()
                self._flows.wait()
                self._idle[number].clear()
                continue
            try:
                self._ask_one(requester, chance)
            except (TeeTeeError, ChainRefused, OSError, ValueError):
                time.sleep(POLL_SECONDS)  # the chain is suspended, or a reorganisation is made
            except Exception as error:  # noqa: BLE001 - the run reports it
                self.failures.append(error)

    def _ask_one(self, requester: Requester, chance: Random) -> None:
        recipients = tuple(chance.sample(ENTRIES, chance.choice((1, 1, 2))))
        prompt, window = chance.randrange(PROMPTS), chance.choice(WINDOWS)
        asked = requester.ask(prompt, recipients, int(self._pace.seconds(window)), self.keys)
        until = time.monotonic() + self._pace.seconds(OPENING_SECONDS)
        while time.monotonic() < until:
            self.send([asked])
            time.sleep(POLL_SECONDS)
            request_id = self._id_of(asked)
            if request_id is not None:
                self._await_end(request_id, asked)
                return

    def _id_of(self, asked: Asked) -> RequestId | None:
        receipt = self._world.chain.call("eth_getTransactionReceipt", asked.transaction)
        if receipt is None or not receipt["logs"]:
            return None
        opened = self._world.contracts.escrow.contract.address.lower()
        for log in receipt["logs"]:
            if log["address"] == opened:
                return RequestId(int(log["topics"][1], 16))
        return None

    def _await_end(self, request_id: RequestId, asked: Asked) -> None:
        while self._world.chain.now() <= asked.deadline:
            request = self._world.contracts.escrow.request_of(request_id)
            if request.status is not RequestStatus.OPEN:
                return
            time.sleep(POLL_SECONDS)
