# SPDX-License-Identifier: Apache-2.0
"""From an error to the fault that is told to the entry, and back to the error that the entry
raises.
"""

from shard_runtime.abort_reason import Fault
from shard_runtime.errors import (
    CacheFull,
    CommitmentMismatch,
    FrameInvalid,
    LinkCongested,
    PathInvalid,
    PeerUnknown,
    ReceiptInvalid,
    StageFailed,
    StageMisbehaved,
    TooManyRuns,
)
from shard_runtime.links.frames import Abort
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import ShardId

_OURS: dict[type[Exception], Fault] = {
    CacheFull: Fault.CACHE_FULL,
    TooManyRuns: Fault.TOO_MANY_RUNS,
    PathInvalid: Fault.PATH_INVALID,
    PeerUnknown: Fault.PATH_INVALID,
}
_THEIRS = {
    Fault.FRAME_INVALID: "it sent a frame that is garbled, out of order or of another shape",
    Fault.NOT_FINITE: "it sent numbers that are not finite",
    Fault.COMMITMENT_MISMATCH: "it signed other bytes than the next stage received",
    Fault.RECEIPT_INVALID: "its receipt is not of this stage, request or place",
}


def fault_of(error: Exception, hop: int) -> tuple[Fault, int]:
    """What stage `hop` says about an error in its run: the fault, and whose it is."""
    if isinstance(error, FrameInvalid):
        return error.fault, hop - 1
    if isinstance(error, CommitmentMismatch):
        return Fault.COMMITMENT_MISMATCH, error.hop
    if isinstance(error, ReceiptInvalid):
        return Fault.RECEIPT_INVALID, error.hop
    if isinstance(error, LinkCongested):
        return Fault.LINK_LOST, hop + 1
    return _OURS.get(type(error), Fault.INTERNAL), hop


def error_of(abort: Abort, path: tuple[ShardId, ...]) -> TeeTeeError:
    """What the entry raises when a stage gave up a run."""
    stage = abort.stage % len(path)  # after the last stage comes the entry
    shard_id = path[stage]
    if abort.fault.retryable:
        return StageFailed(stage, shard_id, abort.fault)
    kind = {
        Fault.COMMITMENT_MISMATCH: CommitmentMismatch,
        Fault.RECEIPT_INVALID: ReceiptInvalid,
    }.get(abort.fault, StageMisbehaved)
    return kind(stage, shard_id, _THEIRS[abort.fault])
