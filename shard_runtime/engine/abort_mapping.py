# SPDX-License-Identifier: Apache-2.0
"""Maps an error to the reason in an ABORT frame, and an ABORT frame to the error that the entry
raises.
"""

from shard_runtime.abort_reason import AbortReason
from shard_runtime.errors import (
    CacheFull,
    CommitmentMismatch,
    FrameInvalid,
    IdentityDisputed,
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

_OWN_REASONS: dict[type[Exception], AbortReason] = {
    CacheFull: AbortReason.CACHE_FULL,
    TooManyRuns: AbortReason.TOO_MANY_RUNS,
    IdentityDisputed: AbortReason.IDENTITY_DISPUTED,
    PathInvalid: AbortReason.PATH_INVALID,
    PeerUnknown: AbortReason.PATH_INVALID,
}
_BROKEN_RULES = {
    AbortReason.FRAME_INVALID: "it sent a frame that is garbled, out of order or of another shape",
    AbortReason.NOT_FINITE: "it sent numbers that are not finite",
    AbortReason.COMMITMENT_MISMATCH: "it signed other bytes than the next stage received",
    AbortReason.RECEIPT_INVALID: "its receipt is not of this stage, request or place",
}


def reason_for(error: Exception, hop: int) -> tuple[AbortReason, int]:
    """The abort reason for an error at stage `hop`, and the stage that caused it."""
    if isinstance(error, FrameInvalid):
        return error.reason, hop - 1
    if isinstance(error, CommitmentMismatch):
        return AbortReason.COMMITMENT_MISMATCH, error.hop
    if isinstance(error, ReceiptInvalid):
        return AbortReason.RECEIPT_INVALID, error.hop
    if isinstance(error, LinkCongested):
        return AbortReason.LINK_LOST, hop + 1
    return _OWN_REASONS.get(type(error), AbortReason.INTERNAL), hop


def error_for(abort: Abort, path: tuple[ShardId, ...], reporter: ShardId) -> TeeTeeError:
    """The error that the entry raises for an ABORT frame that shard `reporter` sent."""
    stage = abort.stage % len(path)  # after the last stage comes the entry
    shard_id = path[stage]
    if abort.reason.is_retryable:
        return StageFailed(stage, shard_id, abort.reason, reporter=reporter)
    kind = {
        AbortReason.COMMITMENT_MISMATCH: CommitmentMismatch,
        AbortReason.RECEIPT_INVALID: ReceiptInvalid,
    }.get(abort.reason, StageMisbehaved)
    return kind(stage, shard_id, _BROKEN_RULES[abort.reason], reporter=reporter)
