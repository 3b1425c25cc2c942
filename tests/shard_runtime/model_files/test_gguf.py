# SPDX-License-Identifier: Apache-2.0
"""Models from GGUF files give the same tokens as from safetensors.

given a model written as GGUF, with llama's rows reordered, in any quantization
    its greedy tokens should equal those of transformers with the same numbers
given a GGUF file with divisors of its rotary frequencies
    its greedy tokens should equal those of the scaling that the divisors express
given a GGUF file that is cut off, corrupt, or of another architecture or version
    it should raise an error that names the file and the problem
"""

import math
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gguf import GGMLQuantizationType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
)

from shard_runtime import open_model
from shard_runtime.backends.rope_frequencies import rope_frequencies
from shard_runtime.errors import ArchitectureUnsupported, ModelError, ModelFileInvalid
from shard_runtime.model_files.gguf.gguf_file import read_gguf
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.gguf_writing import quantized_in_place, write_gguf
from tests.shard_runtime.rings import running
from tests.shard_runtime.tiny_models import (
    GPT2_SHAPE,
    LAYERS,
    LLAMA3_ROPE,
    SHAPE,
    build,
    greedy,
    prompt_of,
)

PROMPT = prompt_of(18, seed=4)

# Row lengths that are multiples of a quantization block, 32.
WIDE = SHAPE | {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}
QUANTIZABLE: dict[str, Callable[[], PreTrainedModel]] = {
    "mixtral": lambda: MixtralForCausalLM(MixtralConfig(**WIDE, num_local_experts=4)),
    "phi3": lambda: Phi3ForCausalLM(Phi3Config(**WIDE)),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**(GPT2_SHAPE | {"n_embd": 64, "n_head": 4}))),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(**WIDE, head_dim=16, query_pre_attn_scalar=16, sliding_window=7)
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        "llama",
        "llama tied",
        "llama with biases and head size 16",
        "mistral",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3",
        "phi3",
        "phi3 with longrope, partial rotation and a window",
        "gpt2",
        "mixtral",
        "qwen3 moe",
    ],
)
def test_generate__model_from_gguf__equals_transformers(name: str, tmp_path: Path) -> None:
    model = build(name)
    write_gguf(model, tmp_path / "model.gguf")
    with running(open_model(tmp_path), 2) as ring:
        assert ring.ask(PROMPT).token_ids == greedy(model, PROMPT, 12)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_generate__quantized_gguf__equals_transformers_on_the_same_numbers(
    kind: str, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(**(SHAPE | sizes)))
    quantization = GGMLQuantizationType[kind]
    quantized_in_place(model, quantization)
    write_gguf(model, tmp_path / "model.gguf", kind=quantization)
    with running(open_model(tmp_path / "model.gguf"), 2) as ring:
        assert ring.ask(PROMPT).token_ids == greedy(model, PROMPT, 12)


@pytest.mark.parametrize("name", ["mixtral", "phi3", "gpt2", "gemma3"])
def test_generate__quantized_gguf_of_another_family__equals_transformers(
    name: str, tmp_path: Path
) -> None:
    torch.manual_seed(8)
    model = QUANTIZABLE[name]().eval()
    quantized_in_place(model, GGMLQuantizationType.Q8_0)
    write_gguf(model, tmp_path / "model.gguf", kind=GGMLQuantizationType.Q8_0)
    with running(open_model(tmp_path), 2) as ring:
        assert ring.ask(PROMPT).token_ids == greedy(model, PROMPT, 12)


def test_generate__gguf_with_one_expert_per_tensor__equals_transformers(tmp_path: Path) -> None:
    model = build("mixtral")
    write_gguf(model, tmp_path / "model.gguf", experts_apart=True)
    source = open_model(tmp_path)
    assert "blk.0.ffn_gate.3.weight" in source.tensors
    with running(source, 2) as ring:
        assert ring.ask(PROMPT).token_ids == greedy(model, PROMPT, 12)


def test_read_gguf__all_experts_in_one_tensor__is_read_row_by_row(tmp_path: Path) -> None:
    """Not expert by expert: one expert of a large model would be a hundred MiB."""
    write_gguf(build("mixtral"), tmp_path / "model.gguf")
    experts = open_model(tmp_path).tensors.find_tensor("blk.0.ffn_up_exps.weight")
    assert (experts.shape, experts.rows, experts.row_bytes) == ((4, 80, 48), 4 * 80, 48 * 4)


@pytest.mark.parametrize(
    ("layers", "scale"), [(46, 1 / math.sqrt(8)), (LAYERS, 0.0)], ids=["27B", "another size"]
)
def test_open__gemma2__scales_scores_like_llama_cpp_for_its_size(
    tmp_path: Path, layers: int, scale: float
) -> None:
    write_gguf(build("gemma2"), tmp_path / "model.gguf", block_count=layers, attention__scale=0.0)
    assert open_model(tmp_path).architecture.attention_scale == scale


def test_generate__llama_gguf_with_a_window_key__has_no_window(tmp_path: Path) -> None:
    """As in llama.cpp, which reads no window for `llama`: a Mistral's is lost in its GGUF."""
    model = build("mistral")
    write_gguf(model, tmp_path / "model.gguf", attention__sliding_window=7)
    with running(open_model(tmp_path), 1) as ring:
        assert ring.ask(PROMPT).token_ids == greedy(model, PROMPT, 12)


def test_generate__gguf_with_frequency_divisors__equals_transformers(tmp_path: Path) -> None:
    scaled = LlamaForCausalLM(LlamaConfig(**SHAPE, rope_parameters=LLAMA3_ROPE))
    plain = LlamaConfig(**SHAPE, rope_parameters={**LLAMA3_ROPE, "rope_type": "default"})
    plain_frequencies = LlamaForCausalLM(plain).model.rotary_emb.inv_freq
    divisors = plain_frequencies / scaled.model.rotary_emb.inv_freq
    write_gguf(scaled, tmp_path / "model.gguf", rope_divisors=divisors)
    source = open_model(tmp_path)
    assert source.architecture.rope_scaling.kind == "factors"
    torch.testing.assert_close(
        rope_frequencies(source.architecture), scaled.model.rotary_emb.inv_freq, rtol=1e-6, atol=0
    )
    with running(source, 2) as ring:
        assert ring.ask(PROMPT).token_ids == greedy(scaled, PROMPT, 12)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf(build("llama"), path)
    return path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, 2600))
def test_open__cut_off_header__raises_model_file_invalid(
    whole: bytes, tmp_path: Path, length: int
) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[:length])
    with pytest.raises(ModelFileInvalid, match=r"cut\.gguf is not valid"):
        open_model(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 2600), mask=st.integers(1, 255))
def test_open__corrupt_header__opens_or_raises_a_model_error(
    whole: bytes, tmp_path: Path, offset: int, mask: int
) -> None:
    corrupt = bytearray(whole)
    corrupt[offset] ^= mask
    path = tmp_path / "corrupt.gguf"
    path.write_bytes(corrupt)
    try:
        read_gguf(path)
        open_model(path)
    except ModelError:
        pass


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: b"GGML" + data[4:], "does not begin with GGUF"),
        (lambda data: data[:4] + struct.pack("<I", 1) + data[8:], "version is 1"),
        (lambda data: data[:8] + struct.pack("<Q", 2**40) + data[16:], "more entries"),
        (lambda data: data[:-5000], "reaches beyond the end of the file"),
    ],
    ids=["magic", "version", "count", "data cut off"],
)
def test_open__damaged_file__says_what_is_wrong(
    whole: bytes, tmp_path: Path, change: Callable[[bytes], bytes], error: str
) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(change(whole))
    with pytest.raises(ModelFileInvalid, match=error):
        open_model(path)


def test_open__other_architecture__names_it(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(whole.replace(b"llama", b"mamba"))
    with pytest.raises(ArchitectureUnsupported, match="'mamba' is not supported"):
        open_model(path)


def test_digest__same_numbers_as_gguf_and_safetensors__differ(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    """Digests cover the bytes of the file, so another file format is another model."""
    write_gguf(build("llama"), tmp_path / "model.gguf")
    actual, theirs = open_model(tmp_path).architecture, tiny("llama")[0].architecture
    assert actual.layer_count == theirs.layer_count
    assert actual.digest() != theirs.digest()  # GGUF stores float32, JSON decimals
