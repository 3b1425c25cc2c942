"""One attempt at a draft along one path, as its entry sees it: what is fed, what is on its way
round the ring, what came back.
"""

import secrets
import time
from collections.abc import Sequence

from shard_runtime.cache import RunCache
from shard_runtime.frames import Open, Place, RunId
from shard_runtime.generation import Draft, PathChange
from shard_runtime.receipts import RunBinding
from teetee.commitments import RunningCommitment, encode_token_ids
from teetee.identifiers import ShardId
from teetee.receipts import SignedReceipt


class Attempt:
    """On the links it is a run. Made by the caller's thread, then touched by the entry's alone."""

    def __init__(
        self,
        draft: Draft,
        *,
        binding: RunBinding,
        salts: Sequence[bytes],
        changes: Sequence[PathChange] = (),
    ) -> None:
        """salts: 32 bytes for each hop from 0 to the last."""
        self.id = RunId(secrets.token_bytes(16))
        self.draft = draft
        self.binding = binding
        self.changes = tuple(changes)
        self.fed = 0
        """Positions that went through our layers."""
        self.returned = 0
        """Positions that came back from the last stage."""
        self.sequence_out = 1
        self.sequence_in = 1
        self.cache: RunCache | None = None
        self.receipt: SignedReceipt | None = None
        self.progress_at = time.monotonic()
        self._salts = tuple(salts)
        self._tokens = RunningCommitment(salts[0])
        self._sent = RunningCommitment(salts[1])
        # On a path of one stage, what we send is what comes back.
        self._taken = RunningCommitment(salts[-1]) if self.stages > 1 else self._sent

    @property
    def stages(self) -> int:
        return len(self.binding.peers)

    @property
    def path(self) -> tuple[ShardId, ...]:
        return tuple(peer.shard_id for peer in self.binding.peers)

    @property
    def waiting(self) -> int:
        """Positions that are known and not fed yet."""
        return self.draft.positions - self.fed

    @property
    def under_way(self) -> int:
        """Positions that are fed and have not come back."""
        return self.fed - self.returned

    @property
    def is_decoding(self) -> bool:
        """Whether all that is left to feed is the newest token."""
        return self.waiting == 1 and self.under_way == 0 and not self.draft.is_done

    @property
    def wants_token(self) -> bool:
        """All that is known went round: the last row decides what comes next."""
        return self.returned == len(self.draft.history)

    @property
    def is_whole(self) -> bool:
        """The draft is done, and all its positions went round."""
        return self.draft.is_done and self.returned == self.draft.positions

    def opening(self) -> Open:
        """The frame that opens the run at the next stage."""
        return Open(
            place=Place(self.id, 1, 0, 0),
            request_id=self.binding.request_id,
            model_id=self.binding.model_id,
            capacity=self.draft.capacity,
            path=self.path,
            salts=self._salts[1:],
        )

    def feed(self, count: int) -> tuple[int, ...]:
        """The next tokens; they count as fed, and into hop 0's commitment."""
        tokens = tuple(self.draft.history[self.fed : self.fed + count])
        self.fed += len(tokens)
        self._tokens.update(encode_token_ids(tokens))
        return tokens

    def leave(self, rows: bytes) -> None:
        """What goes on to the next stage."""
        self._sent.update(rows)
        self.progress_at = time.monotonic()

    def take(self, rows: int, data: bytes) -> None:
        """What came back from the last stage (from ourselves, on a path of one)."""
        if self._taken is not self._sent:
            self._taken.update(data)
        self.returned += rows
        self.progress_at = time.monotonic()

    def commitments(self) -> tuple[bytes, bytes, bytes]:
        """Of hop 0, hop 1 and the last hop."""
        return self._tokens.digest(), self._sent.digest(), self._taken.digest()
