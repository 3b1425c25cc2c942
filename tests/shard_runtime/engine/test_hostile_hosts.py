# SPDX-License-Identifier: Apache-2.0
"""Hosts that lie to their own enclaves, and enclaves that were compromised: review findings H1, H9
and H10.

given a stage whose directory shows another enclave as the next stage than the entry's
    it should refuse the run; the other enclave should receive nothing
    when the directory changes while the run is open
        the run should end, and the other enclave should receive nothing
given a guard that refuses a request, or that says nothing yet
    no stage should compute a row
given an active shard that is on no path, or one that is, and that floods a stage or the entry
    its own links should close, and the runs of the others go on
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shard_runtime import (
    Backend,
    Entry,
    FixedDirectory,
    LinkLimits,
    ModelSource,
    OnVerdict,
    Peer,
    RunTerms,
    Stage,
    Stream,
)
from shard_runtime.abort_reason import AbortReason
from shard_runtime.engine import frame_gate
from shard_runtime.engine.frame_gate import FrameGate
from shard_runtime.engine.stage.request_guard import AnyRequest
from shard_runtime.errors import PeerRefused, StageFailed, StageMisbehaved
from shard_runtime.links.frames import (
    Abort,
    Frame,
    Hidden,
    Kind,
    Place,
    RunId,
    Segment,
    decode,
    encode,
    max_frame_bytes,
)
from teetee.errors import TeeTeeError
from teetee.protocol.endpoint import LINK_ALPN
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.engine.test_run_life import eventually, is_empty
from tests.shard_runtime.rings import (
    ANY_REQUEST,
    QUICK_ENTRY,
    QUICK_LIMITS,
    QUICK_STAGE,
    Ring,
    entry,
    even_split,
    keys_of,
    load_shards,
    open_listener,
    peer_of,
    running,
    stage,
    stage_identity,
    tls_links,
)
from tests.shard_runtime.tiny_models import prompt_of

PROMPT = prompt_of(20, seed=9)
SECOND, THIRD = ShardId(2), ShardId(3)
WIDTH = 8


# -- H1 ------------------------------------------------------------------------------------------


@dataclass
class Diverted:
    """A path of three over TLS. The host of shard 2 has a directory of its own, and a process that
    is no enclave.
    """

    entry: Entry
    stages: list[Stage]
    lied_to: FixedDirectory
    stranger: Peer
    received: "queue.SimpleQueue[Frame]"


@contextmanager
def diverted(source: ModelSource) -> Iterator[Diverted]:
    shards = load_shards(
        source, even_split(source.architecture.layer_count, 3), 1, "float32", Backend.TORCH
    )
    keys = [keys_of(f"shard {number}") for number in (1, 2, 3)]
    received: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    with ExitStack() as stack:
        listeners = [open_listener(each, QUICK_LIMITS, stack) for each in keys]
        peers = [
            peer_of(number, shard, each, listener.port)
            for number, (shard, each, listener) in enumerate(
                zip(shards, keys, listeners, strict=True), start=1
            )
        ]
        stranger = keys_of("no enclave at all")
        listener = open_listener(stranger, QUICK_LIMITS, stack)
        listener.handle(LINK_ALPN, lambda stream: _steal(stream, received), lambda _: True)
        honest, lied_to = FixedDirectory(peers), FixedDirectory(peers)
        parts: list[Any] = []
        for number, (shard, each) in enumerate(zip(shards, keys, strict=True), start=1):
            directory = lied_to if number == 2 else honest
            links = tls_links(each, directory, listeners[number - 1], QUICK_LIMITS)
            wiring = (shard, stage_identity(number, each), links, directory)
            part = (
                entry(source, QUICK_ENTRY, *wiring)
                if number == 1
                else stage(QUICK_STAGE, *wiring, ANY_REQUEST)
            )
            part.start()
            stack.callback(part.close)
            parts.append(part)
        replaced = replace(peers[2], tls=stranger.keyset.tls, port=listener.port)
        yield Diverted(parts[0], parts[1:], lied_to, replaced, received)


def _steal(stream: Stream, received: "queue.SimpleQueue[Frame]") -> None:
    stream.send(b"")
    while True:
        received.put(decode(stream.receive(1 << 20)))


def ask(diverted: Diverted, **options: Any) -> Any:
    ring = Ring(diverted.entry, diverted.stages, diverted.lied_to, [], None, [], 3)
    return ring.ask(PROMPT, **options)


@pytest.mark.parametrize("lie", ["key", "identity"])
def test_h1__host_lies_to_its_own_middle_stage__the_stranger_gets_nothing(
    llama: ModelSource, lie: str
) -> None:
    with diverted(llama) as world:
        honest = world.lied_to.find(THIRD)
        world.lied_to.add(
            world.stranger if lie == "key" else replace(honest, identity_digest=b"x" * 32)
        )
        with pytest.raises(StageFailed) as raised:
            ask(world)
        assert raised.value.reason is AbortReason.IDENTITY_DISPUTED
        assert raised.value.shard_id == SECOND  # the entry trusts its own view of shard 3
        assert world.received.empty()
        world.lied_to.add(honest)
        assert len(ask(world).token_ids) == 12


def test_h1__host_begins_to_lie_while_a_run_is_open__the_stranger_gets_nothing(
    spoken: ModelSource,
) -> None:
    with diverted(spoken) as world:

        def lie(_: str) -> None:
            world.lied_to.add(world.stranger)

        with pytest.raises((StageFailed, StageMisbehaved)):
            ask(world, max_tokens=60, on_text=lie)
        assert world.received.empty()


# -- H9 ------------------------------------------------------------------------------------------


class HeldGuard(AnyRequest):
    """Decides when it is told to."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[tuple[RunTerms, OnVerdict]] = queue.SimpleQueue()
        self.ended: list[tuple[RunTerms, int]] = []

    def check(self, terms: RunTerms, on_verdict: OnVerdict) -> bool | None:
        self.asked.put((terms, on_verdict))
        return None

    def run_ended(self, terms: RunTerms, positions: int) -> None:
        self.ended.append((terms, positions))


def count_forwards(ring: Ring) -> list[int]:
    """Grows with each step of the stages."""
    steps: list[int] = []
    for number, shard in enumerate(ring.shards[1:], start=2):
        forward = shard.forward

        def counted(*arguments: Any, forward: Any = forward, number: int = number) -> Any:
            steps.append(number)
            return forward(*arguments)

        shard.forward = counted  # type: ignore[method-assign]
    return steps


def test_h9__guard_has_not_decided__no_stage_computes_until_it_permits(llama: ModelSource) -> None:
    guard = HeldGuard()
    with running(llama, 3, guard=guard) as ring:
        steps = count_forwards(ring)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        asking = threading.Thread(target=lambda: answers.put(ring.ask(PROMPT)))
        asking.start()
        (first, permit), (second, permit_other) = (
            guard.asked.get(timeout=10),
            guard.asked.get(timeout=10),
        )
        assert (first.entry, first.capacity) == (1, len(PROMPT) + 11)
        assert replace(first, sender=second.sender) == second
        assert {first.sender, second.sender} == {1, 2}
        assert eventually(lambda: [part.open_runs for part in ring.stages] == [1, 1])
        assert steps == []
        permit(True)
        permit_other(True)
        assert len(answers.get(timeout=20).token_ids) == 12
        asking.join()
        assert set(steps) == {2, 3}
        assert eventually(lambda: len(guard.ended) == 2)
        assert {positions for _, positions in guard.ended} == {len(PROMPT) + 11}


def test_h9__guard_refuses__run_ends_without_a_computed_row(llama: ModelSource) -> None:
    class Refusing(AnyRequest):
        def check(self, terms: RunTerms, on_verdict: OnVerdict) -> bool | None:
            return False

    with running(llama, 3, guard=Refusing()) as ring:
        steps = count_forwards(ring)
        with pytest.raises(StageFailed) as raised:
            ring.ask(PROMPT)
        assert raised.value.reason is AbortReason.REQUEST_REFUSED
        assert steps == []
        assert eventually(lambda: is_empty(ring))


def test_h9__guard_takes_its_permit_back__run_ends(spoken: ModelSource) -> None:
    """The request ended on chain while its run was open."""
    guard = HeldGuard()
    with running(spoken, 2, guard=guard) as ring:
        verdicts: list[OnVerdict] = []

        def permit() -> None:
            verdicts.append(guard.asked.get(timeout=10)[1])
            verdicts[0](True)

        threading.Thread(target=permit).start()
        with pytest.raises(StageFailed) as raised:
            ring.ask(PROMPT, max_tokens=80, on_text=lambda _: verdicts[0](False))
        assert raised.value.reason is AbortReason.REQUEST_REFUSED
        assert eventually(lambda: is_empty(ring))


def test_a7__guard_has_not_decided__run_reserves_no_cache_and_no_place(
    spoken: ModelSource,
) -> None:
    guard = HeldGuard()
    with running(spoken, 2, guard=guard, stage_settings=replace(QUICK_STAGE, max_runs=1)) as ring:

        def ask_alone() -> None:
            with suppress(StageFailed):
                ring.ask(PROMPT)

        asking = [threading.Thread(target=ask_alone) for _ in range(2)]
        for each in asking:
            each.start()
        (_, permit), (_, refuse) = (guard.asked.get(timeout=10) for _ in range(2))
        assert eventually(lambda: ring.stages[0].open_runs == 2)
        assert ring.cache_bytes_used[1:] == [0]
        permit(True)
        refuse(False)
        for each in asking:
            each.join()
        assert eventually(lambda: is_empty(ring))


# -- H10 -----------------------------------------------------------------------------------------


def stray(kind: Kind, rows: int = 1) -> bytes:
    run = RunId(b"r" * 16)
    if kind == Kind.ABORT:
        return encode(Abort(Place(run, 0, 0, 0), AbortReason.CANCELLED, 0))
    frame = Hidden(
        (Segment(Place(run, 2, 1, 0), rows),), WIDTH, memoryview(bytes(rows * 4 * WIDTH))
    )
    return encode(frame)


def gate(refused: list[bytes] | None = None, clock: Callable[[], float] = lambda: 0.0) -> FrameGate:
    return FrameGate(width=WIDTH, on_refused=(refused or []).append, clock=clock)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes([1, 2]) + bytes(max_frame_bytes(Kind.HIDDEN, WIDTH)),
        bytes([1, 4]) + bytes(60),
        bytes([1, 5]) + bytes(20),
        bytes([1, 99]) + bytes(20),
        bytes([9, 2]) + bytes(20),
    ],
    ids=["empty", "long rows", "long abort", "long heartbeat", "unknown kind", "another version"],
)
def test_h10__frame_is_longer_than_its_kind_or_of_none__refuses_its_sender(body: bytes) -> None:
    with pytest.raises(PeerRefused):
        gate().admit(b"peer", body)


@pytest.mark.parametrize("kind", [Kind.HIDDEN, Kind.ABORT], ids=["rows", "aborts"])
def test_h10__frames_of_no_run_of_their_sender__are_few_for_each_peer(kind: Kind) -> None:
    now = [0.0]
    guarded = gate(clock=lambda: now[0])
    guarded.expect(RunId(b"r" * 16), b"owner")
    for _ in range(int(frame_gate._BURST)):
        guarded.admit(b"peer", stray(kind))
    with pytest.raises(PeerRefused):
        guarded.admit(b"peer", stray(kind))
    for _ in range(3 * int(frame_gate._BURST)):
        guarded.admit(b"owner", stray(Kind.HIDDEN))
    now[0] = 1.0
    for _ in range(int(frame_gate._PER_SECOND)):
        guarded.admit(b"peer", stray(kind))


def test_h10__malformed_frame_that_names_no_run__refuses_the_next_one() -> None:
    now = [5.0]
    guarded = gate(clock=lambda: now[0])
    assert guarded.report(b"peer", "lies")
    assert not guarded.report(b"peer", "lies")
    guarded.admit(b"other", stray(Kind.ABORT))
    with pytest.raises(PeerRefused) as raised:
        guarded.admit(b"peer", stray(Kind.ABORT))
    assert raised.value.rule == "lies"
    assert not guarded.report(b"peer", "lies"), "a frame that was queued before"
    guarded.admit(b"peer", stray(Kind.ABORT))
    now[0] = 7.0
    assert guarded.report(b"peer", "lies again")


FLOODS = {
    "two-byte frames": bytes([1, 2]),
    "rows of no run": None,
    "aborts of no run": encode(Abort(Place(RunId(b"a" * 16), 0, 0, 0), AbortReason.CANCELLED, 1)),
}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("victim", [1, 2], ids=["entry", "stage"])
def test_h10__active_shard_on_no_path_floods__only_its_own_link_closes(
    llama: ModelSource, victim: int, flood: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Shard 3 is a replica that no path uses."""
    width = llama.architecture.hidden_size
    rows = Hidden(
        (Segment(Place(RunId(b"r" * 16), 2, 1, 0), 4),), width, memoryview(bytes(16 * width))
    )
    body = FLOODS[flood] or encode(rows)
    limits = LinkLimits(watch_seconds=0.05, first_delay_seconds=0.01)
    with running(llama, 2, tls=True, copies=2, limits=limits) as ring:
        expected = ring.ask(PROMPT).token_ids
        caplog.clear()
        stop = threading.Event()
        sent = [0]

        def attack() -> None:
            links = ring.stages[1]._links
            while not stop.is_set():
                try:
                    links.send_frame(ShardId(victim), body)
                    sent[0] += 1
                except TeeTeeError:
                    stop.wait(0.001)

        attacker = threading.Thread(target=attack)
        attacker.start()
        try:
            assert eventually(lambda: any("closed" in each.message for each in caplog.records))
            for _ in range(3):
                assert ring.ask(PROMPT).token_ids == expected
        finally:
            stop.set()
            attacker.join()
        closed = [each for each in caplog.records if each.message == "a connection was closed"]
        assert {getattr(each, "kind") for each in closed} == {"PeerRefused"}  # noqa: B009
        assert sent[0] > 1000
        assert len(caplog.records) < 60  # not one for each frame
        assert eventually(lambda: is_empty(ring))


def test_h10__peer_on_the_path_sends_malformed_frames__entry_names_it_and_goes_on(
    llama: ModelSource,
) -> None:
    def tamper(receiver: ShardId, body: bytes) -> bytes:
        if receiver == 1 and decode(body).__class__ is Hidden and not struck:
            struck.append(body)
            return bytes([1, 2])
        return body

    struck: list[bytes] = []
    with running(llama, 2, tamper=tamper, copies=2) as ring:
        with running(llama, 2) as quiet:
            expected = quiet.ask(PROMPT).token_ids
        assert ring.ask(PROMPT, choose_path=ring.choose).token_ids == expected
        assert struck
