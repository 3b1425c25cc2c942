"""What a model computes, in one value: the same for safetensors and GGUF. Its canonical JSON is
what `configDigest` hashes.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

from shard_runtime.errors import ModelFileInvalid


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """How rotary frequencies are stretched. Only the fields of the kind are used; the others keep
    their zeros.
    """

    kind: str = "default"
    """default, linear, llama3, yarn, or factors (GGUF's own list, one divisor per frequency)."""
    factor: float = 1.0
    original_context_length: int = 0
    low_frequency_factor: float = 0.0
    high_frequency_factor: float = 0.0
    beta_fast: float = 0.0
    beta_slow: float = 0.0
    attention_factor: float = 1.0
    truncate: bool = True
    factors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Architecture:
    """A Llama-shaped decoder: RMSNorm, rotary grouped-query attention, SwiGLU."""

    name: str
    """llama, mistral, qwen2 or qwen3."""
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
    rope_scaling: RopeScaling
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    qk_norm: bool
    tied_embedding: bool
    windows: tuple[int, ...]
    """Per layer: how many positions back attention reaches, the token's own included; 0 for all."""

    def check(self, file: str) -> None:
        """Raises `ModelFileInvalid` when the numbers cannot belong together."""
        rules = {
            "the heads cannot be shared evenly": self.head_count % self.kv_head_count == 0,
            "the head size must be even": self.head_size % 2 == 0,
            "rope_theta must be above 1": self.rope_theta > 1,
            "its rotary scaling must not shrink": self.rope_scaling.factor >= 1,
        }
        for rule, kept in rules.items():
            if not kept:
                raise ModelFileInvalid(file, rule)

    def canonical_json(self) -> str:
        """UTF-8, sorted keys, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def digest(self) -> bytes:
        """`configDigest` of docs/protocol.md section 2, 32 bytes."""
        return sha256(b"teetee/config/v1" + self.canonical_json().encode()).digest()

    @property
    def kv_elements_per_position(self) -> int:
        """Numbers of key and value that one layer keeps per position."""
        return 2 * self.kv_head_count * self.head_size
