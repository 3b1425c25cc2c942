# SPDX-License-Identifier: Apache-2.0
"""Models whose headers announce more than their files hold.

given a GGUF or a folder that announces tens of thousands of layers, and has tensors of one
    it should be opened in the time that its tensors take, and they should be checked all the same
given more experts than any model has
    it should be refused before a slot is made for each
"""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shard_runtime import open_model
from shard_runtime.errors import ModelFileInvalid, TensorUnused
from shard_runtime.model_files.folder import read_folder
from tests.fuzzing.targets.safetensors import MIXTURE
from tests.shard_runtime.model_files.gguf.tiny_gguf import Case, write_case

LAYERS = 65_535
MAX_SECONDS = 2.0


def folder_of(folder: Path, *tensors: str, **changes: object) -> Path:
    (folder / "config.json").write_text(json.dumps({**MIXTURE, **changes}))
    numbers = {name: np.zeros((4, 4), np.float32) for name in tensors}
    save_file(numbers, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("architecture", ["llama", "qwen3moe"])
def test_open_model__gguf_of_65535_layers__takes_the_time_of_its_tensors(
    architecture: str, tmp_path: Path
) -> None:
    path = write_case(Case(architecture, {"block_count": LAYERS}), tmp_path / "model.gguf")
    started = time.perf_counter()
    assert open_model(path).architecture.layer_count == LAYERS
    assert time.perf_counter() - started < MAX_SECONDS


def test_read_folder__65535_layers__takes_the_time_of_its_tensors(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        f"model.layers.{LAYERS - 1}.mlp.experts.3.gate_proj.weight",
        num_hidden_layers=LAYERS,
        mlp_only_layers=[],
    )
    started = time.perf_counter()
    read_folder(folder)
    assert time.perf_counter() - started < MAX_SECONDS


@pytest.mark.parametrize(
    "name",
    [
        f"model.layers.{LAYERS}.self_attn.q_proj.weight",
        "model.layers.0.mlp.experts.4.gate_proj.weight",
        "model.layers.00.self_attn.q_proj.weight",
        "model.layers.0.mlp.experts.gate_proj.weight",
        "model.3.weight",
    ],
    ids=["another layer", "another expert", "number with a zero", "no expert", "no layer"],
)
def test_read_folder__tensor_of_a_part_that_the_config_has_not__is_refused(
    name: str, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, name, num_hidden_layers=LAYERS, mlp_only_layers=[])
    with pytest.raises(TensorUnused, match=name):
        read_folder(folder)


def test_read_folder__more_experts_than_any_model_has__is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "model.norm.weight", num_experts=(1 << 31) - 1)
    with pytest.raises(ModelFileInvalid, match="at most 4096 experts"):
        read_folder(folder)
