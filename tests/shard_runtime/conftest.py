# SPDX-License-Identifier: Apache-2.0
"""Tiny models, models once per test process."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from shard_runtime import ModelSource, open_model
from tests.shard_runtime.byte_tokenizer import write_tokenizer
from tests.shard_runtime.tiny_models import SHAPE, save

torch.set_num_threads(1)

Tiny = tuple[ModelSource, PreTrainedModel]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    """By name: the opened model files, and the model by transformers."""
    models: dict[str, Tiny] = {}

    def make(name: str) -> Tiny:
        if name not in models:
            folder: Path = tmp_path_factory.mktemp("model") / name.replace(" ", "-")
            reference = save(name, folder)
            models[name] = (open_model(folder), reference)
        return models[name]

    return make


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    """A model with a tokenizer, so that its answers are text."""
    folder: Path = tmp_path_factory.mktemp("model") / "spoken"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHAPE, "vocab_size", 300)
        save("llama", folder)
    write_tokenizer(folder, "{{ messages[0]['content'] }}")
    return open_model(folder)


@pytest.fixture(scope="session")
def llama(tiny: Callable[[str], Tiny]) -> ModelSource:
    return tiny("llama")[0]
