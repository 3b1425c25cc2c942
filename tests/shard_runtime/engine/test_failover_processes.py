# SPDX-License-Identifier: Apache-2.0
"""Real processes over TLS, killed and stopped by signals.

given an entry and two replicas of each other stage, every stage a process
    when a stage's process gets SIGSTOP or SIGKILL, in the prompt or at a token
        the request should continue on the replica, with the same text, each piece published once
    when a stopped process continues
        it should free what it holds
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from shard_runtime import (
    Entry,
    EntrySettings,
    FixedDirectory,
    Generation,
    GenerationJob,
    LinkLimits,
    ModelSource,
    StageIdentity,
    load_shard,
    load_tokenizer,
)
from shard_runtime.engine.entry.heartbeats import HeartbeatSettings
from shard_runtime.links.frames import Hidden, decode
from shard_runtime.links.port import Links, OnFrame, OnPeerLost
from shard_tools.check.loopback import DOMAIN, MODEL_ID, loopback_peer, peer_to_json
from shard_tools.check.processes import WorkerProcess, start_worker
from teetee.errors import Retryable
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.rings import (
    identity_digest,
    keys_of,
    open_listener,
    peer_of,
    salt_of,
    tls_links,
)

pytestmark = pytest.mark.system

RANGES = [LayerRange(0, 2), LayerRange(2, 4), LayerRange(4, 6), LayerRange(2, 4), LayerRange(4, 6)]
REPLICAS = {1: [2, 4], 2: [3, 5]}
PROMPT = tuple(b"canary, the theory of it")[:20]
TOKENS = 64
KEYS = keys_of("shard 1")
# Other processes share the cores here: a late answer does not mean a dead stage.
PATIENT = HeartbeatSettings(interval_seconds=0.4, max_missed=8)


class StruckLinks:
    """The entry's links; before the frame with a given position they send a signal."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._position: int | None = None
        self.strike = lambda: None
        self.struck_at = 0.0

    def arm(self, position: int, process: WorkerProcess, number: signal.Signals) -> None:
        self._position = position
        self.strike = lambda: os.kill(process.process.pid, number)

    def start(self, on_frame: OnFrame, on_peer_lost: OnPeerLost) -> None:
        self._links.start(on_frame, on_peer_lost)

    def send_frame(self, shard_id: ShardId, body: bytes, tls: bytes | None = None) -> None:
        frame = decode(body)
        if isinstance(frame, Hidden) and self._position is not None:
            segment = frame.segments[0]
            if 0 <= self._position - segment.place.first_position < segment.rows:
                self._position = None
                self.struck_at = time.monotonic()
                self.strike()
        self._links.send_frame(shard_id, body, tls)

    def close(self) -> None:
        self._links.close()


@dataclass
class Fleet:
    """An entry in this process, and four stages in their own."""

    entry: Entry
    links: StruckLinks
    workers: dict[int, WorkerProcess]
    away: set[int] = field(default_factory=set)
    pieces: list[tuple[float, str]] = field(default_factory=list)

    def choose(self, avoiding: frozenset[ShardId]) -> list[ShardId]:
        path = [ShardId(1)]
        for numbers in REPLICAS.values():
            fit = [each for each in numbers if each not in avoiding | self.away]
            if not fit:
                raise Retryable("no replica")
            path.append(ShardId(fit[0]))
        return path

    def ask(self) -> Generation:
        self.pieces.clear()
        job = GenerationJob(
            token_ids=PROMPT,
            sampling=Sampling(max_tokens=TOKENS),
            choose_path=self.choose,
            request_id=RequestId(1),
            salt_of=salt_of,
            on_text=lambda piece: self.pieces.append((time.monotonic(), piece)),
            deadline=time.monotonic() + 120,
        )
        return self.entry.generate(job)


@contextmanager
def fleet(source: ModelSource, heartbeats: HeartbeatSettings) -> Iterator[Fleet]:
    with ExitStack() as stack:
        workers = {
            number: stack.enter_context(start_worker(f"shard {number}", "stage"))
            for number in range(2, 6)
        }
        stack.callback(resume, workers)
        for number, worker in workers.items():
            layers = [RANGES[number - 1].first, RANGES[number - 1].end]
            worker.send(do="load", model=str(source.path), layers=layers, isEntry=False)
        listener = open_listener(KEYS, LinkLimits(), stack)
        shard = load_shard(source, RANGES[0], is_entry=True)
        peers = [peer_of(1, shard, KEYS, listener.port)]
        for number, worker in workers.items():
            peers.append(loopback_peer(ShardId(number), RANGES[number - 1], worker.receive()))
        for number, worker in workers.items():
            worker.ask(do="join", shardId=number, peers=[peer_to_json(peer) for peer in peers])
        directory = FixedDirectory(peers)
        links = StruckLinks(tls_links(KEYS, directory, listener, LinkLimits()))
        entry = Entry(
            shard=shard,
            tokenizer=load_tokenizer(source),
            identity=StageIdentity(ShardId(1), MODEL_ID, identity_digest(1), KEYS.signer, DOMAIN),
            links=links,
            directory=directory,
            settings=EntrySettings(chunk=8, rows=16, heartbeats=heartbeats),
        )
        entry.start()
        stack.callback(entry.close)
        yield Fleet(entry, links, workers)


def resume(workers: dict[int, WorkerProcess]) -> None:
    """Let stopped processes end."""
    for worker in workers.values():
        if worker.process.poll() is None:
            os.kill(worker.process.pid, signal.SIGCONT)


STRIKES = [
    (2, 0, signal.SIGSTOP),
    (3, 40, signal.SIGSTOP),
    (2, 30, signal.SIGKILL),
    (3, 70, signal.SIGKILL),
]


def test_generate__processes_stopped_and_killed__continues_with_the_same_text(
    spoken: ModelSource,
) -> None:
    with fleet(spoken, PATIENT) as here:
        expected = here.ask()
        for victim, position, number in STRIKES:
            strike_and_compare(here, expected, victim, position, number)


@pytest.mark.deep
def test_generate__stopped_or_killed_on_a_quiet_machine__resumes_within_two_seconds(
    spoken: ModelSource,
) -> None:
    """Including the replay: here 20 to 84 positions of a tiny model, which takes no time."""
    with fleet(spoken, HeartbeatSettings()) as here:
        expected = here.ask()
        for victim, position, number in STRIKES:
            strike_and_compare(here, expected, victim, position, number)
            resumed_at = next(at for at, _ in here.pieces if at > here.links.struck_at)
            assert resumed_at - here.links.struck_at < 2.0 + 0.5


def strike_and_compare(
    here: Fleet, expected: Generation, victim: int, position: int, number: signal.Signals
) -> None:
    worker = here.workers[victim]
    here.links.arm(position, worker, number)
    generation = here.ask()
    assert generation.token_ids == expected.token_ids
    assert "".join(piece for _, piece in here.pieces) == generation.text == expected.text
    # A stage that was stopped before may have lost a link since, and be abandoned again.
    assert victim in {each for change in generation.changes for each in change.from_shards}
    assert len(generation.receipts) == 3
    if number is signal.SIGSTOP:
        os.kill(worker.process.pid, signal.SIGCONT)
        worker.ask(do="report_peak")  # it works again
    else:
        here.away.add(victim)
        worker.process.wait()
