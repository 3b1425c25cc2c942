"""The walk over the way in, between steps.

given whoever takes frames
    it should get a whole frame of hidden states, of the width that is due and of no run
given a ring between requests
    when its parts rehearse
        nothing should be opened, held, or sent to anybody
"""

from shard_runtime import ModelSource
from shard_runtime.frames import Hidden, decode
from shard_runtime.rehearsal import Rehearsal
from teetee.identifiers import ShardId
from tests.shard_runtime.rings import running
from tests.shard_runtime.test_run_life import is_empty

WIDTH = 24


def test_walk__whoever_takes_frames__gets_one_row_of_no_run() -> None:
    taken: list[tuple[bytes, bytes]] = []
    Rehearsal(WIDTH, lambda sender, body: taken.append((sender, body))).walk()
    ((sender, body),) = taken
    frame = decode(body)
    assert isinstance(frame, Hidden)
    assert (sender, frame.width, frame.rows) == (b"", WIDTH, 1)
    assert frame.segments[0].place.run == bytes(16)


def test_walk__in_a_ring__changes_and_sends_nothing(llama: ModelSource) -> None:
    sent: list[ShardId] = []

    def count(receiver: ShardId, body: bytes) -> bytes:
        sent.append(receiver)
        return body

    with running(llama, 2, tamper=count) as ring:
        for part in (ring.entry._engine, ring.stages[0]):
            part._rehearsal.walk()
        assert sent == []
        assert is_empty(ring)
        assert len(ring.ask(b"abc", 3).token_ids) == 3
