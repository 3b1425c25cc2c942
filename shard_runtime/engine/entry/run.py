# SPDX-License-Identifier: Apache-2.0
"""One run as its entry sees it: what was fed, what is on its way round the ring, what came back."""

import queue
import secrets
import time

from shard_runtime.backends.kv_cache import RunCache
from shard_runtime.backends.shard import Span
from shard_runtime.engine.entry.generation import EntryRequest, Generation
from shard_runtime.engine.entry.job import SaltOf
from shard_runtime.engine.prepared_step import Coming, Foreseeable
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.links.frames import Finish, Open, Place, RunId, Segment
from teetee.errors import FieldInvalid
from teetee.protocol.commitments import RunningCommitment, encode_token_ids
from teetee.protocol.identifiers import ShardId
from teetee.protocol.receipts import SignedReceipt

_SALT_BYTES = 32


class EntryRun(Foreseeable):
    """One attempt at a request on one path: it begins with the first position, whatever a former
    attempt has already come to. Made by the caller's thread, then touched by the entry's alone.
    """

    def __init__(self, request: EntryRequest, binding: RunBinding, salt_of: SaltOf) -> None:
        self.id = RunId(secrets.token_bytes(16))
        self.request = request
        self.binding = binding
        self.path = tuple(peer.shard_id for peer in binding.peers)
        self.stages = len(self.path)
        self.fed = 0
        """Positions that went through our layers."""
        self.returned = 0
        """Positions that came back from the last stage."""
        self.cache: RunCache | None = None
        self.receipt: SignedReceipt | None = None
        self.progress_at = 0.0
        self.updates: queue.SimpleQueue[str | Generation | Exception] = queue.SimpleQueue()
        """For the caller: pieces of text, then the end."""
        self._sequence_out = 1
        self._sequence_in = 1
        self._salts = tuple(salt_of(hop) for hop in range(self.stages + 1))
        if any(len(salt) != _SALT_BYTES for salt in self._salts):
            raise FieldInvalid("salts", f"must give {_SALT_BYTES} bytes for each hop")
        self._tokens = RunningCommitment(self._salts[0])
        self._sent = RunningCommitment(self._salts[1])
        # On a path of one stage, what we send is what comes back.
        self._taken = RunningCommitment(self._salts[-1]) if self.stages > 1 else self._sent

    @property
    def next_shard(self) -> ShardId:
        """On a path of one stage, ourselves."""
        return self.path[1 % self.stages]

    @property
    def last_tls(self) -> bytes:
        """Who sends back to us."""
        return self.binding.peers[-1].tls

    @property
    def is_through(self) -> bool:
        """All that is known went round."""
        return self.returned == self.request.end

    @property
    def is_waited_for(self) -> bool:
        """Others owe us something."""
        return self.returned < self.fed or self.receipt is not None

    def hop_of(self, sender: bytes) -> int:
        """At which stage a peer stands; 0 for one that is none, as for ourselves."""
        found = (hop for hop, peer in enumerate(self.binding.peers) if peer.tls == sender)
        return next(found, 0)

    def opening(self) -> Open:
        """The frame that opens the run at the next stage."""
        return Open(
            place=Place(self.id, 1, 0, 0),
            request_id=self.binding.request_id,
            model_id=self.binding.model_id,
            capacity=self.request.capacity,
            path=self.path,
            salts=self._salts[1:],
        )

    def feed(self, count: int) -> tuple[int, ...]:
        """The next tokens; they count as fed, and into hop 0's commitment."""
        tokens = tuple(self.request.history[self.fed : self.fed + count])
        self.fed += len(tokens)
        self._tokens.update(encode_token_ids(tokens))
        return tokens

    def leave(self, first: int, rows: int, data: bytes) -> Segment:
        """Rows go on to the next stage."""
        self._sent.update(data)
        return Segment(self._next_place(first), rows)

    def expects(self, place: Place) -> bool:
        """Whether that is what is due from the last stage; it counts as taken then."""
        is_due = place == self._due
        self._sequence_in += is_due
        self.forget()
        return is_due

    def take(self, rows: int, data: bytes) -> None:
        """What came back from the last stage (from ourselves, on a path of one)."""
        if self._taken is not self._sent:
            self._taken.update(data)
        self.returned += rows

    @property
    def comes_next(self) -> Coming | None:
        is_on_its_way = self.returned + 1 == self.fed == self.request.end
        if self.stages == 1 or not is_on_its_way or self.fed == self.request.capacity:
            return None
        assert self.cache is not None
        return Coming(
            sender=self.last_tls,
            due=self._due,
            span=Span(self.cache, self.fed, 1),
            next_shard=self.next_shard,
            leaving=Place(self.id, 1, self._sequence_out, self.fed),
        )

    def came_back(self, row: bytes) -> None:
        """The row that was foreseen."""
        self.forget()
        self._sequence_in += 1
        self.take(1, row)
        self.progress_at = time.monotonic()

    def went_on(self, row: bytes, gone: bytes) -> None:
        """The step that was foreseen has been made: that row came back, and the next one went."""
        self.came_back(row)
        self.feed(1)
        self.leave(self.fed - 1, 1, gone)

    def finish(self, receipt: SignedReceipt) -> Finish:
        """All tokens are there: the frame that asks each stage for its receipt, after ours."""
        self.receipt = receipt
        return Finish(self._next_place(self.fed), self.fed, (receipt,))

    def commitments(self) -> tuple[bytes, bytes, bytes]:
        """Of hop 0, hop 1 and the last hop."""
        return self._tokens.digest(), self._sent.digest(), self._taken.digest()

    def catch_up(self) -> None:
        """Hash what came and went, now that nobody waits for it."""
        for each in (self._tokens, self._sent, self._taken):
            each.catch_up()

    def tell(self, update: str | Generation | Exception) -> None:
        """To the caller."""
        if update != "":
            self.updates.put(update)

    @property
    def _due(self) -> Place:
        return Place(self.id, self.stages, self._sequence_in, self.returned)

    def _next_place(self, first: int) -> Place:
        place = Place(self.id, 1, self._sequence_out, first)
        self._sequence_out += 1
        return place
