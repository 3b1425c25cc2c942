# SPDX-License-Identifier: Apache-2.0
"""One run as its entry sees it: the tokens that it sends out, and the rows that return."""

import queue
import secrets

from shard_runtime.backends.kv_cache import RunCache
from shard_runtime.engine.entry.job import SaltOf
from shard_runtime.engine.entry.request import EntryRequest, Generation
from shard_runtime.engine.receipts import RunBinding
from shard_runtime.engine.run import Run
from shard_runtime.links.frames import Finish, NamedStage, Open, Place, RunId
from teetee.errors import FieldInvalid
from teetee.protocol.commitments import RunningCommitment, encode_token_ids
from teetee.protocol.receipts import SignedReceipt

_SALT_BYTES = 32


class EntryRun(Run):
    """One attempt at a request on one path. It starts at the first position, however far an earlier
    attempt got. Made by the caller's thread, then used by the computing thread alone.
    """

    def __init__(self, request: EntryRequest, binding: RunBinding, salt_of: SaltOf) -> None:
        self.request = request
        self.path = tuple(peer.shard_id for peer in binding.peers)
        self.stages = len(self.path)
        self._salts = tuple(salt_of(hop) for hop in range(self.stages + 1))
        if any(len(salt) != _SALT_BYTES for salt in self._salts):
            raise FieldInvalid("salts", f"must give {_SALT_BYTES} bytes for each hop")
        sent = RunningCommitment(self._salts[1])
        super().__init__(
            RunId(secrets.token_bytes(16)),
            binding,
            incoming_hop=self.stages,
            outgoing_hop=1,
            # On a path of one stage, what is sent is what returns.
            received=RunningCommitment(self._salts[-1]) if self.stages > 1 else sent,
            sent=sent,
        )
        self.cache: RunCache | None = None
        self.receipt: SignedReceipt | None = None
        self.updates: queue.SimpleQueue[str | Generation | Exception] = queue.SimpleQueue()
        """For the caller: pieces of text, then the end."""
        self._tokens = RunningCommitment(self._salts[0])

    @property
    def all_returned(self) -> bool:
        """Whether every known position completed the ring."""
        return self.positions_received == self.request.end

    @property
    def has_outstanding(self) -> bool:
        """Whether positions or receipts are still to come from other stages."""
        return self.positions_received < self.positions_sent or self.receipt is not None

    @property
    def is_awaiting_receipts(self) -> bool:
        """Whether only the stages' receipts are missing."""
        return self.receipt is not None

    @property
    def is_awaiting_one_row(self) -> bool:
        is_in_flight = self.positions_received + 1 == self.positions_sent == self.request.end
        return is_in_flight and self.stages > 1 and self.positions_sent < self.request.capacity

    def stage_of(self, sender: bytes) -> int:
        """The stage that a peer is on this path; 0 for one that is not on it, as for ourselves."""
        found = (stage for stage, peer in enumerate(self.binding.peers) if peer.tls == sender)
        return next(found, 0)

    def opening(self) -> Open:
        """The frame that opens the run at the next stage."""
        return Open(
            place=Place(self.id, 1, 0, 0),
            request_id=self.binding.request_id,
            model_id=self.binding.model_id,
            capacity=self.request.capacity,
            stages=tuple(
                NamedStage(peer.shard_id, peer.identity_digest, peer.tls)
                for peer in self.binding.peers
            ),
            salts=self._salts[1:],
        )

    def next_tokens(self, count: int) -> tuple[int, ...]:
        """The next tokens to compute; they count into the commitment of hop 0."""
        first = self.positions_sent
        tokens = tuple(self.request.history[first : first + count])
        self._tokens.update(encode_token_ids(tokens))
        return tokens

    def on_returned(self, rows: int, data: bytes) -> None:
        """Count rows that returned from the last stage (from ourselves, on a path of one)."""
        if self.received is not self.sent:
            self.received.update(data)
        self.positions_received += rows

    def advance(self, received: bytes, sent: bytes) -> None:
        self.next_tokens(1)
        super().advance(received, sent)

    def finish(self, receipt: SignedReceipt) -> Finish:
        """The frame that asks each stage for its receipt, after ours."""
        self.receipt = receipt
        return Finish(self.next_place(), self.positions_sent, (receipt,))

    def commitments(self) -> tuple[bytes, bytes, bytes]:
        """Of hop 0, hop 1 and the last hop."""
        return self._tokens.digest(), self.sent.digest(), self.received.digest()

    def catch_up(self) -> None:
        self._tokens.catch_up()
        super().catch_up()

    def publish(self, update: str | Generation | Exception) -> None:
        """Pass an update to the caller."""
        if update != "":
            self.updates.put(update)
