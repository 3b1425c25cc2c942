# SPDX-License-Identifier: Apache-2.0
"""The errors of `shard_runtime`. Messages name files, tensors, hops and numbers; never tokens, text
or hidden states.

teetee.errors.Retryable
├── PeerUnreachable         no connection to the next stage within the attempts
├── LinkClosed              an established link ended
├── LinkCongested           the next stage reads more slowly than we send
├── CacheFull               no room for another run's keys and values
├── TooManyRuns             the stage has as many open runs as it admits
├── StageFailed             a stage of the path aborted the run; may work later or on another path
├── StageSilent             a stage of the path did not answer in time
├── DeadlinePassed
└── EntryClosed             the process is shutting down
teetee.errors.Fatal
├── ModelError
│   ├── ModelNotFound       no such folder, file or hub id
│   ├── ModelFileInvalid    malformed or damaged
│   ├── ModelPartMissing    a file of a model in parts
│   ├── ArchitectureUnsupported
│   ├── ConfigFieldUnsupported  a field, or a value of it, that might change the result
│   ├── QuantizationUnsupported quantized by a method that is not computed
│   ├── AdapterUnsupported  a folder with a LoRA or another adapter
│   ├── TensorMissing
│   ├── TensorInvalid       shape or type does not match the architecture
│   ├── TensorUnused        a tensor that no part of the architecture uses
│   ├── TensorAmbiguous     two files hold a tensor of that name
│   ├── SplitInvalid        layers that the model does not have, or too many stages
│   ├── DigestMismatch      the files differ from what was published
│   ├── TokenizerMissing
│   ├── TokenizerInvalid
│   │   └── TokenizerUnsupported    a tokenizer that would give other token ids here
│   ├── TokenIdsDiffer      the tokenizer gives other token ids than the publisher's
│   └── PrecisionUnavailable    on this machine, or for this model
├── PromptError
│   ├── PromptEmpty
│   ├── ContextOverflow     more tokens than the model's context
│   ├── TokenUnknown        a token id outside the vocabulary
│   └── ChatTemplateInvalid missing, or it fails on these messages
│       └── ChatTemplateExceeded    it takes too long; so does any on a machine that stands still
├── PeerUnknown             not an active shard
├── PathInvalid             gap, overlap, repetition, or another first shard
├── IdentityDisputed        entry and stage know different enclaves as one shard
├── FrameInvalid            malformed, or not the expected frame
├── PeerRefused             a peer sends more, or other, frames than its runs need
├── HandshakeFailed         no TLS 1.3, no known purpose, or not the pinned key
├── PortUnavailable         in use, or not allowed
├── StageMisbehaved         a stage of the path broke the protocol: named by hop
│   ├── CommitmentMismatch  it signed other bytes than it sent or received
│   └── ReceiptInvalid
├── WarmUpFailed            this shard cannot compute a chunk
└── RunCancelled            the caller cancelled
"""

from shard_runtime.abort_reason import AbortReason  # noqa: I001 - one import for all aliases
from shard_runtime.model_errors import (
    AdapterUnsupported as AdapterUnsupported,
    ArchitectureUnsupported as ArchitectureUnsupported,
    ConfigFieldUnsupported as ConfigFieldUnsupported,
    DigestMismatch as DigestMismatch,
    ModelError as ModelError,
    ModelFileInvalid as ModelFileInvalid,
    ModelNotFound as ModelNotFound,
    ModelPartMissing as ModelPartMissing,
    PrecisionUnavailable as PrecisionUnavailable,
    QuantizationUnsupported as QuantizationUnsupported,
    SplitInvalid as SplitInvalid,
    TensorAmbiguous as TensorAmbiguous,
    TensorInvalid as TensorInvalid,
    TensorMissing as TensorMissing,
    TensorUnused as TensorUnused,
    TokenIdsDiffer as TokenIdsDiffer,
    TokenizerInvalid as TokenizerInvalid,
    TokenizerMissing as TokenizerMissing,
    TokenizerUnsupported as TokenizerUnsupported,
)
from teetee.errors import Fatal, Retryable


class PeerUnreachable(Retryable):
    """No connection to a peer within the attempts."""

    def __init__(self, shard_id: int, host: str, port: int, reason: str) -> None:
        self.shard_id, self.host, self.port, self.reason = shard_id, host, port, reason
        super().__init__(
            f"Shard {shard_id} at {host}:{port} cannot be reached: {reason}. "
            "Choose a path without it, or try again once its host has restarted it."
        )


class LinkClosed(Retryable):
    """An established link ended."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The link ended: {reason}. It opens again with the next frame.")


class LinkCongested(Retryable):
    """The queue to a peer is full."""

    def __init__(self, shard_id: int, waiting: int, limit: int) -> None:
        self.shard_id, self.waiting, self.limit = shard_id, waiting, limit
        super().__init__(
            f"{waiting} bytes wait for shard {shard_id}; the limit is {limit}. "
            "Choose a path without it until it has caught up."
        )


class CacheFull(Retryable):
    """No room for another run's keys and values."""

    def __init__(self, needed: int, free: int, budget: int) -> None:
        self.needed, self.free, self.budget = needed, free, budget
        super().__init__(
            f"The request needs {needed} bytes of key-value cache; {free} of {budget} are "
            "free. Wait for another request to end, ask for fewer tokens, or raise the "
            "cache budget."
        )


class TooManyRuns(Retryable):
    """The stage has as many open runs as it admits."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} requests are running, which is the limit. Wait for one to end.")


class StageFailed(Retryable):
    """A stage of the path aborted the run for a temporary reason."""

    def __init__(
        self, hop: int, shard_id: int, reason: AbortReason, *, reporter: int | None = None
    ) -> None:
        """`reporter`: the shard whose word this is; None if the entry itself found out."""
        self.hop, self.shard_id, self.reason, self.reporter = hop, shard_id, reason, reporter
        super().__init__(
            f"Stage {hop} (shard {shard_id}) aborted the request: {reason.name}. "
            "Try again later, or on a path without it."
        )


class StageSilent(Retryable):
    """A stage of the path did not answer in time."""

    def __init__(self, shard_ids: tuple[int, ...], seconds: float) -> None:
        self.shard_ids, self.seconds = shard_ids, seconds
        super().__init__(
            f"Shards {list(shard_ids)} returned nothing for {seconds:g} seconds. "
            "Try again on a path without the one that does not answer."
        )


class DeadlinePassed(Retryable):
    """The request's deadline passed."""

    def __init__(self, waited_for: str) -> None:
        self.waited_for = waited_for
        super().__init__(
            f"The deadline passed while the request waited for {waited_for}. All that it reserved "
            "is free again. Ask again with more time."
        )


class EntryClosed(Retryable):
    """The process is shutting down."""

    def __init__(self) -> None:
        super().__init__("The entry is shutting down. Ask again when it is back, or ask another.")


class PromptError(Fatal):
    """A problem with the prompt."""


class PromptEmpty(PromptError):
    """A prompt without tokens."""

    def __init__(self) -> None:
        super().__init__("The prompt has no tokens. Give a prompt.")


class ContextOverflow(PromptError):
    """More tokens than the model's context."""

    def __init__(self, tokens: int, context_length: int) -> None:
        self.tokens, self.context_length = tokens, context_length
        super().__init__(
            f"The prompt has {tokens} tokens; the context holds {context_length}, of which the "
            "answer needs at least one. Shorten the prompt."
        )


class TokenUnknown(PromptError):
    """A token id outside the vocabulary."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        super().__init__(
            f"The prompt has a token id outside [0, {vocabulary}). Use this model's own tokenizer."
        )


class ChatTemplateInvalid(PromptError):
    """No chat template, or it fails on these messages."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The model's chat template cannot render the messages: {rule}. "
            "Use the roles that the model knows, or give plain text or token ids."
        )


class ChatTemplateExceeded(ChatTemplateInvalid):
    """The process that renders ended or was ended: by the template, or because the machine stood
    still, which its host can cause. So it says nothing about the messages.
    """

    def __init__(self) -> None:
        super().__init__("it exceeds its limits of time, memory or recursion")


class PeerUnknown(Fatal):
    """Not an active shard of this model."""

    def __init__(self, shard_id: int) -> None:
        self.shard_id = shard_id
        super().__init__(f"Shard {shard_id} is not active. Choose a path without it.")


class PathInvalid(Fatal):
    """A list of shards that is not a path."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The path {rule}. Choose shards that cover all layers, each once, starting here."
        )


class IdentityDisputed(Fatal):
    """The entry names another enclave as a stage than this stage's own directory shows."""

    def __init__(self) -> None:
        super().__init__(
            "The path names another identity or TLS key for a stage than this stage's own view of"
            " the registry. Nothing is sent to either."
        )


class FrameInvalid(Fatal):
    """A malformed frame, or not the expected one."""

    def __init__(self, rule: str, reason: AbortReason = AbortReason.FRAME_INVALID) -> None:
        self.rule, self.reason = rule, reason
        super().__init__(f"The frame {rule}. The run that it names is aborted.")


class PeerRefused(Fatal):
    """A peer sends frames that belong to no run of its own, too many of them, or too long ones."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The peer's links are closed, because it {rule}. It may connect again after a while."
        )


class HandshakeFailed(Fatal):
    """No TLS 1.3, no known purpose, or another key than the pinned one."""

    def __init__(self, peer: str, reason: str) -> None:
        self.peer, self.reason = peer, reason
        super().__init__(
            f"The handshake with {peer} failed: {reason}. Check that both shards are "
            "active on chain and that the endpoint belongs to the shard."
        )


class PortUnavailable(Fatal):
    """The port is in use, or this process may not bind it."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(
            f"Cannot listen on {host}:{port}: {reason}. Stop the process that uses it, or choose "
            "another port."
        )


class StageMisbehaved(Fatal):
    """A stage of the path broke the protocol."""

    def __init__(self, hop: int, shard_id: int, rule: str, *, reporter: int | None = None) -> None:
        """`reporter`: the shard whose word this is; None if the entry itself found out."""
        self.hop, self.shard_id, self.rule, self.reporter = hop, shard_id, rule, reporter
        super().__init__(
            f"Stage {hop} (shard {shard_id}) broke the protocol: {rule}. Choose a path without it."
        )


class CommitmentMismatch(StageMisbehaved):
    """A stage signed other bytes than it sent or received."""


class ReceiptInvalid(StageMisbehaved):
    """A receipt of another stage, request or place."""


class WarmUpFailed(Fatal):
    """The warm-up step failed; this shard must not serve."""

    def __init__(self, rows: int, reason: str) -> None:
        self.rows, self.reason = rows, reason
        super().__init__(
            f"This shard could not compute {rows} rows before serving: {reason}. Give it more "
            "memory, another precision or fewer layers, and start it again."
        )


class RunCancelled(Fatal):
    """The caller cancelled."""

    def __init__(self) -> None:
        super().__init__("The request was cancelled by its caller. Nothing is owed for it.")
