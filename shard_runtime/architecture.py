# SPDX-License-Identifier: Apache-2.0
"""What a model computes, in one value: the same for safetensors and GGUF. Its canonical JSON is
what `configDigest` hashes.

Fields came in over time. A later one has a default, with which models compute what they did before
it existed, and is left out of the JSON while it has it: published digests never change.
"""

import json
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from hashlib import sha256
from typing import Any

from shard_runtime.errors import ModelFileInvalid

_LATER = {"later": True}


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """How rotary frequencies are stretched. Only the fields of the kind are used; the others keep
    their zeros.
    """

    kind: str = "default"
    """default, linear, llama3, yarn, longrope, or factors (GGUF's own list)."""
    factor: float = 1.0
    original_context_length: int = 0
    low_frequency_factor: float = 0.0
    high_frequency_factor: float = 0.0
    beta_fast: float = 0.0
    beta_slow: float = 0.0
    attention_factor: float = 1.0
    truncate: bool = True
    factors: tuple[float, ...] = ()
    """One divisor per frequency; longrope's for runs within the original context."""
    long_factors: tuple[float, ...] = field(default=(), metadata=_LATER)
    """longrope's for runs that may reach beyond it."""


@dataclass(frozen=True, slots=True)
class ExpertRouting:
    """A mixture of experts: in `layers`, a router chooses a few of many MLPs for each token."""

    count: int
    chosen: int
    """How many experts see one token."""
    intermediate_size: int
    normalized: bool
    """Whether the chosen experts' shares are scaled to a sum of 1."""
    layers: tuple[int, ...]
    """Which layers have experts instead of one MLP."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder: attention, then an MLP or experts, each after a norm and added to its input."""

    name: str
    """The family: what its tensors are called follows from it."""
    layer_count: int
    hidden_size: int
    intermediate_size: int
    head_count: int
    kv_head_count: int
    head_size: int
    vocabulary_size: int
    context_length: int
    norm_epsilon: float
    rope_theta: float
    """0 where positions are learned."""
    rope_scaling: RopeScaling
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    qk_norm: bool
    tied_embedding: bool
    windows: tuple[int, ...]
    """Per layer: how many positions back attention reaches, the token's own included; 0 for all."""
    norm: str = field(default="rms", metadata=_LATER)
    """rms, rms_one (its weights are stored less 1), or layer (mean and bias as well)."""
    post_norms: bool = field(default=False, metadata=_LATER)
    """Whether what attention and MLP give is normed too, before it is added."""
    activation: str = field(default="silu", metadata=_LATER)
    """silu, gelu, or gelu_tanh (its approximation)."""
    gated: bool = field(default=True, metadata=_LATER)
    """Whether the activated half of the MLP multiplies another half."""
    positions: str = field(default="rotary", metadata=_LATER)
    """rotary, or learned (a table of vectors, added to the embedding)."""
    rotary_size: int = field(default=0, metadata=_LATER)
    """How many numbers of each head rotate; 0 for all."""
    local_rope_theta: float = field(default=0.0, metadata=_LATER)
    """Of layers with a window, without scaling; 0 where all layers rotate alike."""
    attention_scale: float = field(default=0.0, metadata=_LATER)
    """What scores are multiplied with; 0 for 1 / √head_size."""
    attention_cap: float = field(default=0.0, metadata=_LATER)
    """Scores are squashed into ±cap; 0 for not at all."""
    logit_cap: float = field(default=0.0, metadata=_LATER)
    embedding_scale: float = field(default=1.0, metadata=_LATER)
    """What embedded tokens are multiplied with, after rounding to the weights' precision."""
    experts: ExpertRouting | None = field(default=None, metadata=_LATER)

    def check(self, file: str) -> None:
        """Raises `ModelFileInvalid` when the numbers cannot belong together."""
        rotary, scaling, experts = self.positions == "rotary", self.rope_scaling, self.experts
        rotating = self.rotating_size
        lists = [each for each in (scaling.factors, scaling.long_factors) if each]
        rules = {
            "the heads cannot be shared evenly": self.head_count % self.kv_head_count == 0,
            "the head size must be even": not rotary or self.head_size % 2 == 0,
            "the rotating part of a head must be even and within it": not rotary
            or (rotating % 2 == 0 and 0 < rotating <= self.head_size),
            "rope_theta must be above 1": not rotary or self.rope_theta > 1,
            "its local rope_theta must be above 1": self.local_rope_theta == 0
            or self.local_rope_theta > 1,
            "its rotary scaling must not shrink": scaling.factor >= 1,
            "its rotary factors must be positive, one per frequency": all(
                len(each) == rotating // 2 and min(each) > 0 for each in lists
            ),
            "it chooses more experts than it has": experts is None
            or experts.chosen <= experts.count,
        }
        for rule, kept in rules.items():
            if not kept:
                raise ModelFileInvalid(file, rule)

    def canonical_json(self) -> str:
        """UTF-8, sorted keys, no spaces, later fields only where they differ from their default."""
        return json.dumps(_facts(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def digest(self) -> bytes:
        """`configDigest` of docs/protocol.md section 2, 32 bytes."""
        return sha256(b"teetee/config/v1" + self.canonical_json().encode()).digest()

    @property
    def rotating_size(self) -> int:
        """How many numbers of each head rotate."""
        return self.rotary_size or self.head_size

    @property
    def score_scale(self) -> float:
        """What attention scores are multiplied with."""
        return self.attention_scale or self.head_size**-0.5

    @property
    def kv_elements_per_position(self) -> int:
        """Numbers of key and value that one layer keeps per position."""
        return 2 * self.kv_head_count * self.head_size

    def has_experts(self, layer: int) -> bool:
        return self.experts is not None and layer in self.experts.layers


def _facts(value: Any) -> Any:
    if not is_dataclass(value):
        return value
    return {
        each.name: _facts(getattr(value, each.name))
        for each in fields(value)
        if not _is_default(each, getattr(value, each.name))
    }


def _is_default(each: Any, value: Any) -> bool:
    later = bool(each.metadata.get("later"))
    return later and each.default is not MISSING and value == each.default
