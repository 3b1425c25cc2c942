# SPDX-License-Identifier: Apache-2.0
"""A model's architecture as one value, the same for safetensors and GGUF. `configDigest` hashes its
canonical JSON.

Published digests never change: a field added after the first release has a default that stands for
the earlier behaviour, and the JSON omits it while it has that default.
"""

import json
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from hashlib import sha256
from typing import Any

from shard_runtime.errors import ModelFileInvalid
from teetee.protocol.manifest import DEFAULT_PRECISION

_OMIT_DEFAULT = {"omit_default": True}


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """Scaling of the rotary frequencies. Fields that `kind` does not use keep their defaults."""

    kind: str = "default"
    """default, linear, llama3, yarn, longrope, or factors (a list in a GGUF file)."""
    factor: float = 1.0
    original_context_length: int = 0
    low_frequency_factor: float = 0.0
    high_frequency_factor: float = 0.0
    beta_fast: float = 0.0
    beta_slow: float = 0.0
    attention_factor: float = 1.0
    truncate: bool = True
    factors: tuple[float, ...] = ()
    """One divisor per frequency. For longrope: those of runs within the original context."""
    long_factors: tuple[float, ...] = field(default=(), metadata=_OMIT_DEFAULT)
    """Divisors of longrope for runs that may exceed the original context."""


MAX_EXPERTS = 4096
"""Of one layer: eight times as many as any published model has. Each is a few objects in memory."""


@dataclass(frozen=True, slots=True)
class ExpertRouting:
    """A mixture of experts: in `layers`, a router selects a few of many MLPs for each token."""

    count: int
    chosen: int
    """Number of experts per token."""
    intermediate_size: int
    normalized: bool
    """Whether the weights of the selected experts are scaled to a sum of 1."""
    layers: tuple[int, ...]
    """Indices of the layers that have experts instead of one MLP."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder: each layer is attention, then an MLP or experts, each with norm and residual."""

    name: str
    """The model family, which determines the tensor names."""
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
    """0 for learned positions."""
    rope_scaling: RopeScaling
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    qk_norm: bool
    tied_embedding: bool
    windows: tuple[int, ...]
    """Per layer: number of positions that attention sees, including the token's own; 0 for all."""
    norm: str = field(default="rms", metadata=_OMIT_DEFAULT)
    """rms, rms_one (weights stored minus 1), or layer (LayerNorm: also mean and bias)."""
    post_norms: bool = field(default=False, metadata=_OMIT_DEFAULT)
    """Whether the outputs of attention and MLP are normed before the residual is added."""
    activation: str = field(default="silu", metadata=_OMIT_DEFAULT)
    """silu, gelu, or gelu_tanh (the tanh approximation of gelu)."""
    gated: bool = field(default=True, metadata=_OMIT_DEFAULT)
    """Whether the MLP multiplies the activated gate by a second projection."""
    positions: str = field(default="rotary", metadata=_OMIT_DEFAULT)
    """rotary, or learned (a table of vectors added to the embedding)."""
    rotary_size: int = field(default=0, metadata=_OMIT_DEFAULT)
    """Number of dimensions per head that rotate; 0 for all."""
    local_rope_theta: float = field(default=0.0, metadata=_OMIT_DEFAULT)
    """rope_theta, without scaling, of layers with a window; 0 if it does not differ."""
    attention_scale: float = field(default=0.0, metadata=_OMIT_DEFAULT)
    """Factor of the attention scores; 0 for 1 / √head_size."""
    attention_cap: float = field(default=0.0, metadata=_OMIT_DEFAULT)
    """Soft cap of the attention scores (±cap); 0 for none."""
    logit_cap: float = field(default=0.0, metadata=_OMIT_DEFAULT)
    """Soft cap of the logits (±cap); 0 for none."""
    embedding_scale: float = field(default=1.0, metadata=_OMIT_DEFAULT)
    """Factor of the embedded tokens, rounded to the precision of the weights."""
    experts: ExpertRouting | None = field(default=None, metadata=_OMIT_DEFAULT)

    def check(self, file: str) -> None:
        """Raises `ModelFileInvalid` if fields contradict each other."""
        rotary, scaling, experts = self.positions == "rotary", self.rope_scaling, self.experts
        rotating = self.rotating_size
        lists = [each for each in (scaling.factors, scaling.long_factors) if each]
        rules = {
            "the head count must be a multiple of the key-value head count": (
                self.head_count % self.kv_head_count == 0
            ),
            "the head size must be even": not rotary or self.head_size % 2 == 0,
            "the rotating part of a head must be even and no larger than the head": (
                not rotary or (rotating % 2 == 0 and 0 < rotating <= self.head_size)
            ),
            "rope_theta must be above 1": not rotary or self.rope_theta > 1,
            "the local rope_theta must be above 1": (
                self.local_rope_theta == 0 or self.local_rope_theta > 1
            ),
            "the rotary scaling factor must be at least 1": scaling.factor >= 1,
            "the rotary factors must be positive, one per frequency": all(
                len(each) == rotating // 2 and min(each) > 0 for each in lists
            ),
            "the number of selected experts exceeds the number of experts": (
                experts is None or experts.chosen <= experts.count
            ),
            f"a layer must have at most {MAX_EXPERTS} experts": (
                experts is None or experts.count <= MAX_EXPERTS
            ),
        }
        for rule, is_kept in rules.items():
            if not is_kept:
                raise ModelFileInvalid(file, rule)

    def canonical_json(self, precision: str = DEFAULT_PRECISION) -> str:
        """JSON with sorted keys and without spaces, as hashed by `digest`.

        A precision other than float32 is a field of its own, so that the digests of a model that is
        published for int8 differ from those of the same weights in float32.
        """
        fields = _json_fields(self)
        if precision != DEFAULT_PRECISION:
            fields["precision"] = precision
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def digest(self, precision: str = DEFAULT_PRECISION) -> bytes:
        """Returns `configDigest` (docs/protocol.md section 2), 32 bytes."""
        return sha256(b"teetee/config/v1" + self.canonical_json(precision).encode()).digest()

    @property
    def rotating_size(self) -> int:
        """Number of dimensions per head that rotate."""
        return self.rotary_size or self.head_size

    @property
    def score_scale(self) -> float:
        """Factor of the attention scores."""
        return self.attention_scale or self.head_size**-0.5

    @property
    def kv_elements_per_position(self) -> int:
        """Number of key and value elements that one layer caches per position."""
        return 2 * self.kv_head_count * self.head_size

    def has_experts(self, layer: int) -> bool:
        """Whether `layer` has experts instead of one MLP."""
        return self.experts is not None and layer in self.experts.layers


def _json_fields(value: Any) -> Any:
    if not is_dataclass(value):
        return value
    return {
        each.name: _json_fields(getattr(value, each.name))
        for each in fields(value)
        if not _is_omitted(each, getattr(value, each.name))
    }


def _is_omitted(each: Any, value: Any) -> bool:
    omits = bool(each.metadata.get("omit_default"))
    return omits and each.default is not MISSING and value == each.default
