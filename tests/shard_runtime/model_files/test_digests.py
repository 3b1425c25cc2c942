# SPDX-License-Identifier: Apache-2.0
"""Digests: the loaded model equals the published one to the byte.

given a model and its manifest
    when any slice is loaded
        its digest should be the one that the registry computes from the manifest
    when one bit of a tensor is flipped, or the config, tokenizer or chat template changes
        loading should raise DigestMismatch, naming the part
    when the flipped bit is in a layer that the slice does not contain
        loading should succeed
given the architecture of any supported model
    its digest should be the recorded one
given a second, independent implementation of docs/protocol.md
    its digests of the same model should be equal
"""

import json
import shutil
import struct
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from eth_hash.auto import keccak
from safetensors import safe_open

from shard_runtime import ModelSource, build_manifest, load_shard, open_model
from shard_runtime.errors import DigestMismatch
from shard_runtime.model_files.digests import embedding_part
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.gguf_writing import write_gguf
from tests.shard_runtime.tiny_models import LAYERS, MODELS

VECTORS = Path(__file__).parents[2] / "vectors" / "config_digests.json"
FROM_GGUF = " from GGUF"


def length(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def item(path: Path, name: str) -> bytes:
    """`tensorItem` of docs/protocol.md section 2, read with the safetensors package."""
    with safe_open(path, framework="pt") as file:
        tensor = file.get_tensor(name)
    raw: bytes = tensor.contiguous().numpy().tobytes()
    shape = struct.pack(f">I{tensor.dim()}Q", tensor.dim(), *tensor.shape)
    return length(name.encode()) + length(b"F32") + shape + struct.pack(">Q", len(raw)) + raw


def names_of(path: Path, prefix: str) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return sorted(name for name in file.keys() if name.startswith(prefix))  # noqa: SIM118


@pytest.mark.parametrize(
    "name", ["llama", "llama tied", "qwen2", "qwen3", "gemma2", "phi3", "mixtral", "qwen3 moe"]
)
def test_build_manifest__any_model__equals_a_second_implementation(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    source = tiny(name)[0]
    manifest = build_manifest(source)
    path = source.folder / "model.safetensors"
    config = sha256(b"teetee/config/v1" + source.architecture.canonical_json().encode()).digest()
    layers = []
    for layer in range(LAYERS):
        names = names_of(path, f"model.layers.{layer}.")
        head = b"teetee/layer/v1" + config + struct.pack(">II", layer, len(names))
        layers.append(sha256(head + b"".join(item(path, each) for each in names)).digest())
    nothing = struct.pack(">IIII", 0, 0, 0xFFFFFFFF, 0)
    tokenizer = sha256(b"teetee/tokenizer/v1" + nothing).digest()
    embedding = b"teetee/embedding/v1" + config + tokenizer + struct.pack(">I", 1)
    embedding += item(path, "model.embed_tokens.weight")
    heads = ["lm_head.weight", "model.norm.weight"][source.architecture.tied_embedding :]
    head = b"teetee/head/v1" + config + struct.pack(">I", len(heads))
    head += b"".join(item(path, each) for each in heads)
    assert manifest == ModelManifest(
        name=source.name,
        layer_count=LAYERS,
        config_digest=config,
        layer_digests=tuple(layers),
        embedding_digest=sha256(embedding).digest(),
        head_digest=sha256(head).digest(),
        context_length=128,
    )


def test_digest__every_tiny_model__is_the_recorded_one(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    """A new field of the architecture must not change published digests. New models are added to
    the file; existing entries never change.
    """
    recorded = json.loads(VECTORS.read_text())
    assert set(MODELS) <= set(recorded)
    for name, wanted in recorded.items():
        plain = name.removesuffix(FROM_GGUF)
        architecture = tiny(plain)[0].architecture
        if plain != name:
            write_gguf(tiny(plain)[1], tmp_path / f"{plain}.gguf")
            architecture = open_model(tmp_path / f"{plain}.gguf").architecture
        assert architecture.canonical_json() == wanted["json"], name
        assert architecture.digest().hex() == wanted["digest"], name


@pytest.mark.parametrize("precision", ["int8", "bfloat16", "float16"])
def test_m9_build_manifest__another_precision__has_other_digests_throughout(
    tiny: Callable[[str], Tiny], precision: str
) -> None:
    source = tiny("llama")[0]
    usual, other = build_manifest(source), build_manifest(source, precision)
    fields = json.loads(source.architecture.canonical_json()) | {"precision": precision}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    assert other.config_digest == sha256(b"teetee/config/v1" + text.encode()).digest()
    pairs = zip(usual.layer_digests, other.layer_digests, strict=True)
    assert all(one != two for one, two in pairs)
    assert usual.embedding_digest != other.embedding_digest
    assert usual.head_digest != other.head_digest
    assert ModelManifest.from_json(other.to_json()) == other


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_m9_load_shard__published_for_another_precision__is_refused(
    tiny: Callable[[str], Tiny], precision: str
) -> None:
    source, layers = tiny("llama")[0], LayerRange(0, 2)
    published = build_manifest(source, precision)
    shard = load_shard(source, layers, is_entry=True, manifest=published, dtype=precision)
    assert shard.slice_digest == published.slice_digest(layers, is_entry=True)
    with pytest.raises(DigestMismatch, match=f"in {precision}, here in float32"):
        load_shard(source, layers, is_entry=True, manifest=published)


def test_embedding_part__gpt2__has_learned_positions(
    tiny: Callable[[str], Tiny],
) -> None:
    source = tiny("gpt2")[0]
    part = embedding_part(source, source.read_tokenizer_files())
    assert part.names == ("transformer.wpe.weight", "transformer.wte.weight")


@pytest.mark.parametrize("name", MODELS)
def test_load_shard__any_slice__has_the_digest_that_the_registry_computes(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    source = tiny(name)[0]
    manifest = build_manifest(source)
    for layers, is_entry in (
        (LayerRange(0, LAYERS), True),
        (LayerRange(0, 2), True),
        (LayerRange(2, 5), False),
    ):
        shard = load_shard(source, layers, is_entry=is_entry, manifest=manifest)
        assert shard.slice_digest == manifest.slice_digest(layers, is_entry)
        parts = list(manifest.layer_digests[layers.first : layers.end])
        parts += [manifest.embedding_digest, manifest.head_digest] if is_entry else []
        assert shard.slice_digest == keccak(b"".join(parts))


@pytest.fixture
def model(tiny: Callable[[str], Tiny], tmp_path: Path) -> tuple[ModelSource, ModelManifest]:
    """A copy of a model for tampering, with the manifest of the original."""
    folder = tmp_path / "model"
    shutil.copytree(tiny("llama")[0].folder, folder)
    source = open_model(folder)
    return source, build_manifest(source)


def flip(source: ModelSource, tensor: str, byte: int) -> None:
    stored = source.tensors.find_tensor(tensor)
    data = bytearray(stored.path.read_bytes())
    data[stored.offset + byte] ^= 1
    stored.path.write_bytes(data)


@pytest.mark.parametrize(
    ("tensor", "part"),
    [
        ("model.layers.2.self_attn.k_proj.weight", "layer 2"),
        ("model.layers.0.input_layernorm.weight", "layer 0"),
        ("model.embed_tokens.weight", "embedding"),
        ("model.norm.weight", "head"),
        ("lm_head.weight", "head"),
    ],
)
@pytest.mark.parametrize("byte", [0, 77, -1], ids=["first byte", "byte 77", "last byte"])
def test_load_shard__flipped_bit__raises_naming_part_and_tensors(
    model: tuple[ModelSource, ModelManifest], tensor: str, part: str, byte: int
) -> None:
    source, manifest = model
    flip(source, tensor, byte % source.tensors.find_tensor(tensor).byte_length)
    with pytest.raises(DigestMismatch) as raised:
        load_shard(source, LayerRange(0, LAYERS), is_entry=True, manifest=manifest)
    assert raised.value.part == part
    assert tensor in raised.value.tensors
    assert tensor in str(raised.value)
    assert raised.value.found != raised.value.expected


def test_load_shard__flipped_bit_in_a_layer_of_another_shard__loads(
    model: tuple[ModelSource, ModelManifest],
) -> None:
    source, manifest = model
    flip(source, "model.layers.2.self_attn.k_proj.weight", 5)
    shard = load_shard(source, LayerRange(3, 6), is_entry=False, manifest=manifest)
    assert shard.slice_digest == manifest.slice_digest(LayerRange(3, 6), is_entry=False)


def test_load_shard__config_changed__raises_before_reading_weights(
    model: tuple[ModelSource, ModelManifest],
) -> None:
    source, manifest = model
    path = source.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rms_norm_eps": 1e-5}))
    with pytest.raises(DigestMismatch, match="The architecture was published as"):
        load_shard(open_model(source.folder), LayerRange(0, 1), is_entry=False, manifest=manifest)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer_config.json", '{"chat_template": "{{ messages }}"}'),
        ("chat_template.jinja", "{{ messages }}"),
        ("generation_config.json", '{"eos_token_id": [3, 4]}'),
    ],
)
def test_load_shard__tokenizer_files_changed__raises_only_for_the_entry(
    model: tuple[ModelSource, ModelManifest], file: str, content: str
) -> None:
    source, manifest = model
    (source.folder / file).write_text(content)
    source = open_model(source.folder)
    with pytest.raises(DigestMismatch, match="The embedding was published as"):
        load_shard(source, LayerRange(0, 1), is_entry=True, manifest=manifest)
    load_shard(source, LayerRange(0, 1), is_entry=False, manifest=manifest)
