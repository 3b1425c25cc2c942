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
├── PeerUnknown             not an active shard
├── PathInvalid             gap, overlap, repetition, or another first shard
├── FrameInvalid            malformed, or not the expected frame
├── HandshakeFailed         no TLS 1.3, no known purpose, or not the pinned key
├── PortUnavailable         in use, or not allowed
├── StageMisbehaved         a stage of the path broke the protocol: named by hop
│   ├── CommitmentMismatch  it signed other bytes than it sent or received
│   └── ReceiptInvalid
├── WarmUpFailed            this shard cannot compute a chunk
└── RunCancelled            the caller cancelled
"""

from shard_runtime.abort_reason import AbortReason
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

    def __init__(self, hop: int, shard_id: int, reason: AbortReason) -> None:
        self.hop, self.shard_id, self.reason = hop, shard_id, reason
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


class ModelError(Fatal):
    """A problem with a model's files, or with computing them here."""


class ModelNotFound(ModelError):
    """No such folder, file or hub id."""

    def __init__(self, model: str, reason: str) -> None:
        self.model, self.reason = model, reason
        super().__init__(
            f"No model at {model}: {reason}. Give a folder with config.json and *.safetensors, "
            "a folder with one *.gguf, a .gguf file, or a hub id such as "
            "HuggingFaceTB/SmolLM2-135M-Instruct."
        )


class ModelFileInvalid(ModelError):
    """A malformed or damaged file."""

    def __init__(self, file: str, rule: str) -> None:
        self.file, self.rule = file, rule
        super().__init__(f"{file} is not valid: {rule}. Download the model's files again.")


class ArchitectureUnsupported(ModelError):
    """A model that this runtime cannot compute."""

    def __init__(self, name: str, feature: str) -> None:
        self.name, self.feature = name, feature
        super().__init__(
            f"The architecture {name!r} is not supported: {feature}. Supported are llama, mistral, "
            "ministral, mixtral, qwen2, qwen3, qwen3_moe, gemma, gemma2, gemma3 (text), phi3 and "
            "gpt2, with RoPE scaling default, linear, llama3, yarn or longrope."
        )


class ConfigFieldUnsupported(ModelError):
    """A config field, or a value of it, that is neither computed nor known to have no effect."""

    def __init__(self, file: str, family: str, field: str, value: str) -> None:
        self.file, self.family, self.field, self.value = file, family, field, value
        super().__init__(
            f"{file} sets {field} to {value}. For a {family} model, this is neither computed nor "
            "known to have no effect. Remove the field if the model does not depend on it; the "
            "digests do not cover the text of the file."
        )


class QuantizationUnsupported(ModelError):
    """A model that another tool quantized in a way that is not computed here."""

    def __init__(self, file: str, sign: str) -> None:
        self.file, self.sign = file, sign
        super().__init__(
            f"{file} is of a model quantized by a method that is not supported: {sign}. Use the "
            "model's float weights (float32, bfloat16 or float16), or a GGUF of it."
        )


class AdapterUnsupported(ModelError):
    """A folder with an adapter, which would not be applied."""

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(
            f"{file} describes an adapter, which is not applied here. Merge the adapter into the "
            "weights, or remove its files if the weights are meant without it."
        )


class TensorMissing(ModelError):
    """The architecture needs a tensor that no file contains."""

    def __init__(self, tensor: str) -> None:
        self.tensor = tensor
        super().__init__(f"The tensor {tensor} is missing. Download the model's files again.")


class TensorInvalid(ModelError):
    """A tensor whose shape or type does not match the architecture."""

    def __init__(self, tensor: str, rule: str) -> None:
        self.tensor, self.rule = tensor, rule
        super().__init__(f"The tensor {tensor} {rule}. Download the model's files again.")


class TensorUnused(ModelError):
    """Tensors in the files that no part of the architecture uses."""

    def __init__(self, file: str, tensors: tuple[str, ...]) -> None:
        self.file, self.tensors = file, tensors
        more = f" and {len(tensors) - 3} more" if len(tensors) > 3 else ""
        super().__init__(
            f"{file} has tensors that this architecture does not use: {', '.join(tensors[:3])}"
            f"{more}. The model may need them, so it is not computed without them. Check that "
            "config.json belongs to these files, or remove the tensors."
        )


class TensorAmbiguous(ModelError):
    """Two files hold a tensor of the same name."""

    def __init__(self, tensor: str, first: str, second: str) -> None:
        self.tensor, self.first, self.second = tensor, first, second
        super().__init__(
            f"{first} and {second} both hold the tensor {tensor}. Keep only the files of one "
            "model in the folder, or add its model.safetensors.index.json."
        )


class SplitInvalid(ModelError):
    """Layers that the model does not have, or more stages than layers."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The model cannot be split this way: {rule}. Choose other layer ranges.")


class DigestMismatch(ModelError):
    """The loaded files differ from what was published."""

    def __init__(self, part: str, tensors: tuple[str, ...], expected: bytes, found: bytes) -> None:
        self.part, self.tensors, self.expected, self.found = part, tensors, expected, found
        among = f" One of these tensors differs: {', '.join(tensors)}." if tensors else ""
        super().__init__(
            f"The {part} was published as 0x{expected.hex()} but is 0x{found.hex()} here.{among} "
            "Download the model's files again; do not serve these."
        )


class TokenizerMissing(ModelError):
    """The model has no tokenizer to encode or decode text."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"{model} has no tokenizer.json. Put one beside the weights, or give token ids instead "
            "of text."
        )


class TokenizerInvalid(ModelError):
    """The tokenizer or its configuration cannot be used."""

    def __init__(self, file: str, rule: str) -> None:
        self.file, self.rule = file, rule
        super().__init__(
            f"{file} is not a usable tokenizer: {rule}. Download the model's files again."
        )


class TokenizerUnsupported(TokenizerInvalid):
    """A tokenizer with a property that this runtime does not know: it could give other ids."""

    def __init__(self, file: str, rule: str) -> None:
        self.file, self.rule = file, rule
        ModelError.__init__(
            self,
            f"The tokenizer of {file} is not supported: {rule}. Put the model's own tokenizer.json "
            "beside the weights, saved by a current version of transformers.",
        )


class TokenIdsDiffer(ModelError):
    """The tokenizer gives other token ids for the sample text than the publisher's did."""

    def __init__(self, expected: bytes | None, found: bytes | None) -> None:
        self.expected, self.found = expected, found
        if expected is None:
            what = "The manifest has no token_ids_digest, but the model has a tokenizer"
            remedy = "Make the manifest again with `python -m shard_tools digest`."
        else:
            here = "this model has no tokenizer" if found is None else f"here it is 0x{found.hex()}"
            what = f"The token_ids_digest was published as 0x{expected.hex()}; {here}"
            remedy = (
                "Use the published tokenizer files and the version of the tokenizers package in "
                "requirements/."
            )
        super().__init__(f"{what}. {remedy} Nothing is served with other token ids.")


class PrecisionUnavailable(ModelError):
    """The model cannot be computed in that precision on this machine."""

    def __init__(self, precision: str, reason: str) -> None:
        self.precision, self.reason = precision, reason
        super().__init__(
            f"{precision} is not available here: {reason}. Choose float32, or build the native "
            "backend with `make native`."
        )


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


class FrameInvalid(Fatal):
    """A malformed frame, or not the expected one."""

    def __init__(self, rule: str, reason: AbortReason = AbortReason.FRAME_INVALID) -> None:
        self.rule, self.reason = rule, reason
        super().__init__(f"The frame {rule}. The run that it names is aborted.")


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

    def __init__(self, hop: int, shard_id: int, rule: str) -> None:
        self.hop, self.shard_id, self.rule = hop, shard_id, rule
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
