# SPDX-License-Identifier: Apache-2.0
"""A GGUF made ready for serving: with its tokenizer beside it, so that nobody has to convert it
again.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from shard_runtime.errors import ModelNotFound
from shard_runtime.model_files.gguf.tokenizer import tokenizer_json_of
from shard_runtime.model_files.source import ModelSource, open_model


def needs_tokenizer(source: ModelSource) -> bool:
    """Whether this is a GGUF that knows its tokens and has no tokenizer.json beside it."""
    beside = (source.folder / "tokenizer.json").is_file()
    return source.gguf is not None and "tokenizer.ggml.model" in source.metadata and not beside


def prepare(
    source: ModelSource, folder: Path, link: Callable[[Path, Path], None] = os.link
) -> ModelSource:
    """Link (or copy, across file systems) the GGUF into `folder` and write its tokenizer there.

    Chat template and special tokens are those of the GGUF's metadata: no digest changes.
    Raises `ModelNotFound` for another format, `TokenizerMissing` without transformers.
    """
    if source.gguf is None:
        raise ModelNotFound(str(source.folder), "only a GGUF needs to be prepared")
    text = tokenizer_json_of(source.gguf.resolve())
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.gguf.name
    if not target.exists():
        try:
            link(source.gguf.resolve(), target)
        except OSError:
            shutil.copyfile(source.gguf, target)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    configuration = json.dumps(_configuration(source, Tokenizer.from_str(text)), indent=2)
    (folder / "tokenizer_config.json").write_text(configuration + "\n", encoding="utf-8")
    return open_model(folder)


def _configuration(source: ModelSource, tokenizer: Tokenizer) -> dict[str, str]:
    """What the metadata says anyway, for other readers of the folder: transformers looks here."""
    template = source.metadata.get("tokenizer.chat_template")
    configuration = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if isinstance(template, str):
        configuration["chat_template"] = template
    for role in ("bos", "eos"):
        token_id = source.metadata.get(f"tokenizer.ggml.{role}_token_id")
        token = tokenizer.id_to_token(token_id) if isinstance(token_id, int) else None
        if token is not None:
            configuration[f"{role}_token"] = token
    return configuration
