# SPDX-License-Identifier: Apache-2.0
"""The commands on a GGUF in parts, and on one that loading refuses.

given the parts of a GGUF
    digest should print the manifest of the GGUF in one file
    prepare should put all parts into the folder, with the same manifest
    check should find the split model equal to transformers'
given a GGUF that loading refuses
    digest and prepare should exit with 2 and the same error
"""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest
from gguf import GGUFReader, GGUFWriter
from typer.testing import CliRunner

import shard_tools.__main__ as command
from shard_runtime import build_manifest, open_model
from shard_tools.check.one_gguf import as_one_file
from tests.shard_runtime.gguf_tokenizers import CONTROL, byte_level_vocabulary, write_tokenizer_gguf
from tests.shard_runtime.model_files.gguf.tiny_gguf import REMOVED, Case, write_case

COUNT = 3


def split_gguf(whole: Path, folder: Path) -> list[Path]:
    """Splits a file as llama-gguf-split does."""
    folder.mkdir()
    reader = GGUFReader(whole)
    paths = [folder / f"model-{at + 1:05}-of-{COUNT:05}.gguf" for at in range(COUNT)]
    for at, path in enumerate(paths):
        writer = GGUFWriter(path, "llama")
        if at:
            del writer.kv_data[0]["general.architecture"]
        for field in reader.fields.values() if at == 0 else ():
            if not field.name.startswith(("GGUF.", "general.architecture")):
                items = field.types[-1] if len(field.types) > 1 else None
                writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=items)
        writer.add_key_value("split.no", at, gguf.GGUFValueType.UINT16)
        writer.add_key_value("split.count", COUNT, gguf.GGUFValueType.UINT16)
        total = len(reader.tensors)
        writer.add_key_value("split.tensors.count", total, gguf.GGUFValueType.INT32)
        for tensor in reader.tensors[at::COUNT]:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return paths


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama with a byte-level tokenizer, in one file."""
    tokens, merges = byte_level_vocabulary()
    return write_tokenizer_gguf(
        tmp_path_factory.mktemp("whole") / "model.gguf",
        tokens=[*tokens, "<|begin|>", "<|end|>"],
        kinds=[1] * len(tokens) + [CONTROL] * 2,
        pre="gpt-2",
        merges=[f"{left} {right}" for left, right in merges],
        bos_token_id=len(tokens),
        eos_token_id=len(tokens) + 1,
    )


@pytest.fixture
def parts(whole: Path, tmp_path: Path) -> Path:
    """The folder of the same model in three parts."""
    folder = tmp_path / "parts"
    split_gguf(whole, folder)
    return folder


def invoke(*arguments: object) -> tuple[int, Any]:
    result = CliRunner().invoke(command.app, [*map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_digest__parts__prints_the_manifest_of_the_whole(whole: Path, parts: Path) -> None:
    assert invoke("digest", parts) == invoke("digest", whole)
    assert invoke("digest", parts / "model-00001-of-00003.gguf")[0] == 0


def test_prepare__parts__puts_all_into_the_folder(whole: Path, parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "prepared"
    assert invoke("prepare", parts, folder)[0] == 0
    names = {path.name for path in parts.iterdir()} | {"tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert build_manifest(open_model(folder)) == build_manifest(open_model(whole))


def test_check__parts__equals_transformers(parts: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("5 6 7 8\n")
    code, report = invoke("check", parts, "--prompts", prompts, "--stages", 1, "--max-tokens", 4)
    assert (code, report["equal"]) == (0, True)


def test_as_one_file__parts__has_the_metadata_and_tensors_of_the_whole(
    whole: Path, parts: Path
) -> None:
    with as_one_file(open_model(parts).gguf_files) as joined:
        joined_file, whole_file = GGUFReader(joined), GGUFReader(whole)
        keys = [key for key in whole_file.fields if not key.startswith("GGUF.")]
        assert {key: joined_file.fields[key].contents() for key in keys} == {
            key: whole_file.fields[key].contents() for key in keys
        }
        found = {tensor.name: tensor.data.tobytes() for tensor in joined_file.tensors}
        assert found == {tensor.name: tensor.data.tobytes() for tensor in whole_file.tensors}
    assert not joined.exists()


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (Case("llama", {"logit_scale": 0.5}), "ConfigFieldUnsupported"),
        (Case("llama", {"rope.scaling.type": "dynamic"}), "ArchitectureUnsupported"),
        (Case("llama", tensors={"blk.0.attn_q.scale": (1,)}), "TensorUnused"),
        (Case("llama", tensors={"output_norm.weight": (31,)}), "TensorInvalid"),
        (Case("llama", tensors={"blk.3.attn_q.weight": REMOVED}), "TensorMissing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_digest_and_prepare__model_that_loading_refuses__refuse_it(
    case: Case, kind: str, tmp_path: Path
) -> None:
    path = write_case(case, tmp_path / "model.gguf")
    for arguments in (("digest", path), ("prepare", path, tmp_path / "folder")):
        code, answer = invoke(*arguments)
        assert (code, answer["error"]["kind"]) == (2, kind)
    assert not (tmp_path / "folder").exists()
