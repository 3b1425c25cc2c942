# SPDX-License-Identifier: Apache-2.0
"""A tokenizer.json with content that cannot be used.

given fields or values that are not understood, or that the tokenizers package cannot read
    it should be refused with an error of this runtime
"""

import json
from pathlib import Path
from typing import Any

import pytest

from shard_runtime import build_manifest, load_tokenizer, open_model
from shard_runtime.errors import TokenizerInvalid, TokenizerUnsupported
from tests.shard_runtime.byte_tokenizer import write_tokenizer
from tests.shard_runtime.tiny_models import save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save("llama", tmp_path)
    write_tokenizer(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"model": None},
        {"normalizer": {"type": "Surprise"}},
        {"pre_tokenizer": {"type": "Surprise"}},
        {"decoder": {"type": "Surprise"}},
        {"post_processor": {"type": "Surprise"}},
        {"version": "2.0"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_load_tokenizer__json_that_is_not_understood__is_refused(
    folder: Path, change: dict[str, Any]
) -> None:
    definition = json.loads((folder / "tokenizer.json").read_text()) | change
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    for read in (load_tokenizer, build_manifest):
        with pytest.raises(TokenizerInvalid):
            read(open_model(folder))


def test_load_tokenizer__dropout__is_refused_by_name(folder: Path) -> None:
    definition = json.loads((folder / "tokenizer.json").read_text())
    definition["model"]["dropout"] = 0.1
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    with pytest.raises(TokenizerUnsupported, match=r"its dropout is 0\.1"):
        load_tokenizer(open_model(folder))


def test_load_tokenizer__merges_without_the_subword_prefix__are_refused(folder: Path) -> None:
    definition = json.loads((folder / "tokenizer.json").read_text())
    definition["model"]["continuing_subword_prefix"] = "##"
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    with pytest.raises(TokenizerInvalid, match="the tokenizers package cannot read it"):
        load_tokenizer(open_model(folder))
