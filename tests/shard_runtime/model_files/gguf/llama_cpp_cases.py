# SPDX-License-Identifier: Apache-2.0
"""The files whose logits llama.cpp computed for tests/vectors/gguf/logits.json."""

from collections.abc import Mapping

from tests.shard_runtime.model_files.gguf.tiny_gguf import (
    ARCHITECTURES,
    HEAD_SIZE,
    HEADS,
    HIDDEN,
    INNER,
    KV_HEADS,
    LAYERS,
    REMOVED,
    VOCABULARY,
    Case,
)

_HALF = HEAD_SIZE // 2
_YARN = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4.0,
    "rope.scaling.original_context_length": 16,
}
_ROTARY = [name for name in ARCHITECTURES if name != "gpt2"]
_WITHOUT_WINDOW = ("llama", "mixtral", "qwen2", "qwen3", "qwen3moe", "gemma")
_BIASES = {
    "attn_q": HEADS * HEAD_SIZE,
    "attn_k": KV_HEADS * HEAD_SIZE,
    "attn_v": KV_HEADS * HEAD_SIZE,
    "attn_output": HIDDEN,
    "ffn_gate": INNER,
    "ffn_up": INNER,
    "ffn_down": HIDDEN,
}

CASES: Mapping[str, Case] = {
    **{name: Case(name) for name in ARCHITECTURES},
    # Scaling under the former key, or a factor without a type.
    **{f"{name}, scale_linear": Case(name, {"rope.scale_linear": 4.0}) for name in _ROTARY},
    **{f"{name}, factor only": Case(name, {"rope.scaling.factor": 4.0}) for name in _ROTARY},
    "llama, both factors": Case("llama", {"rope.scaling.factor": 4.0, "rope.scale_linear": 2.0}),
    "llama, factor 0": Case("llama", {"rope.scaling.factor": 0.0}),
    "llama, type linear": Case(
        "llama", {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
    ),
    "llama, type none": Case("llama", {"rope.scaling.type": "none", "rope.scaling.factor": 4.0}),
    "llama, type longrope": Case(
        "llama", {"rope.scaling.type": "longrope", "rope.scaling.factor": 4.0}
    ),
    "llama, no freq_base": Case("llama", {"rope.freq_base": REMOVED}),
    # YaRN and attention factors.
    **{f"{name}, yarn": Case(name, _YARN) for name in _ROTARY if name != "gemma3"},
    "llama, yarn and attn_factor": Case("llama", _YARN | {"rope.scaling.attn_factor": 0.5}),
    "qwen3, yarn and attn_factor": Case("qwen3", _YARN | {"rope.scaling.attn_factor": 1.25}),
    "llama, yarn without original context": Case(
        "llama", _YARN | {"rope.scaling.original_context_length": REMOVED}
    ),
    "llama, yarn without factor": Case("llama", {"rope.scaling.type": "yarn"}),
    "llama, yarn by scale_linear": Case(
        "llama", {"rope.scaling.type": "yarn", "rope.scale_linear": 4.0}
    ),
    "llama, attn_factor": Case("llama", {"rope.scaling.attn_factor": 0.5}),
    "llama, linear and attn_factor": Case(
        "llama", {"rope.scaling.factor": 4.0, "rope.scaling.attn_factor": 0.5}
    ),
    "llama, finetuned": Case("llama", _YARN | {"rope.scaling.finetuned": True}),
    # Divisors of the frequencies.
    "llama, rope_freqs": Case("llama", tensors={"rope_freqs.weight": (_HALF,)}),
    "llama, rope_freqs and attn_factor": Case(
        "llama", {"rope.scaling.attn_factor": 0.5}, {"rope_freqs.weight": (_HALF,)}
    ),
    "llama, rope_freqs and type none": Case(
        "llama",
        {"rope.scaling.type": "none", "rope.scaling.factor": 4.0},
        {"rope_freqs.weight": (_HALF,)},
    ),
    **{
        # llama.cpp chooses by its context, which it rounds up to 256; we by the run's 40 tokens.
        f"phi3, rope_factors_{length}": Case(
            "phi3",
            {
                "rope.scaling.original_context_length": original,
                "rope.scaling.attn_factor": 1.25,
            },
            {"rope_factors_short.weight": (_HALF,), "rope_factors_long.weight": (_HALF,)},
        )
        for length, original in {"short": 512, "long": 32}.items()
    },
    "llama, rope_factors": Case(
        "llama",
        {
            "rope.scaling.type": "longrope",
            "rope.scaling.original_context_length": 32,
            "rope.scaling.attn_factor": 1.25,
        },
        {"rope_factors_short.weight": (_HALF,), "rope_factors_long.weight": (_HALF,)},
    ),
    "phi3, partial rotation": Case("phi3", {"rope.dimension_count": _HALF}),
    # Windows.
    **{
        f"{name}, window key": Case(name, {"attention.sliding_window": 5})
        for name in _WITHOUT_WINDOW
    },
    "llama, window pattern key": Case(
        "llama", {"attention.sliding_window": 5, "attention.sliding_window_pattern": 2}
    ),
    **{
        f"{name}, {title}": Case(name, keys)
        for name in ("gemma2", "gemma3")
        for title, keys in {
            "window 5": {"attention.sliding_window": 5},
            "no window key": {"attention.sliding_window": REMOVED},
            "pattern 3": {"attention.sliding_window_pattern": 3},
            "pattern list": {"attention.sliding_window_pattern": [True, False, False, True]},
        }.items()
    },
    "gemma3, window 0": Case("gemma3", {"attention.sliding_window": 0}),
    "gemma3, freq_base_swa": Case(
        "gemma3", {"attention.sliding_window_pattern": 2, "rope.freq_base_swa": 500.0}
    ),
    "gemma3, factor and pattern": Case(
        "gemma3", {"attention.sliding_window_pattern": 2, "rope.scaling.factor": 4.0}
    ),
    # Caps, heads, biases, experts.
    "gemma2, no caps": Case(
        "gemma2", {"attn_logit_softcapping": REMOVED, "final_logit_softcapping": REMOVED}
    ),
    "gemma3, final cap": Case("gemma3", {"final_logit_softcapping": 5.0}),
    "gemma3, own head": Case("gemma3", tensors={"output.weight": (VOCABULARY, HIDDEN)}),
    "gpt2, own head": Case("gpt2", tensors={"output.weight": (VOCABULARY, HIDDEN)}),
    "llama, tied": Case("llama", tensors={"output.weight": REMOVED}),
    "gpt2, no head_count_kv": Case("gpt2", {"attention.head_count_kv": REMOVED}),
    "llama, lists of equal numbers": Case(
        "llama",
        {
            "attention.head_count": [HEADS] * LAYERS,
            "attention.head_count_kv": [KV_HEADS] * LAYERS,
            "feed_forward_length": [INNER] * LAYERS,
        },
    ),
    "llama, biases": Case(
        "llama",
        tensors={
            f"blk.{layer}.{name}.bias": (size,)
            for layer in range(LAYERS)
            for name, size in _BIASES.items()
        },
    ),
    "mixtral, one expert": Case("mixtral", {"expert_used_count": 1}),
    "qwen3moe, no expert length": Case(
        "qwen3moe", {"expert_feed_forward_length": REMOVED, "feed_forward_length": 2 * INNER}
    ),
    # Neutral values of keys that are refused otherwise.
    "qwen3moe, neutral": Case(
        "qwen3moe",
        {"expert_weights_norm": True, "expert_weights_scale": 1.0, "expert_gating_func": 1},
    ),
    "llama, neutral": Case(
        "llama",
        _YARN
        | {
            "attention.causal": True,
            "rope.scaling.yarn_beta_fast": 32.0,
            "rope.scaling.yarn_beta_slow": 1.0,
            "rope.scaling.yarn_ext_factor": 1.0,
            "rope.scaling.yarn_attn_factor": 1.0,
            "rope.scaling.yarn_log_multiplier": 0.0,
            "logit_scale": 1.0,
            ".general.file_type": 0,
            ".quantize.imatrix.file": "imatrix.dat",
        },
    ),
}
