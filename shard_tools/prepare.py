# SPDX-License-Identifier: Apache-2.0
"""Prepares a GGUF for serving: puts its tokenizer beside it, so that no stage has to convert it."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from shard_runtime.errors import ModelNotFound
from shard_runtime.model_files.digests import check_tensors
from shard_runtime.model_files.gguf.end_tokens import PRINTED_ROLES, role_ids
from shard_runtime.model_files.gguf.tokenizer_json import convert_tokenizer
from shard_runtime.model_files.gguf.tokenizer_keys import check_tokenizer_keys
from shard_runtime.model_files.source import ModelSource, open_model


def needs_tokenizer(source: ModelSource) -> bool:
    """Whether this is a GGUF with a tokenizer in its metadata and no tokenizer.json beside it."""
    has_json = (source.folder / "tokenizer.json").is_file()
    return source.gguf is not None and "tokenizer.ggml.model" in source.metadata and not has_json


def with_tokenizer(source: ModelSource, stack: contextlib.ExitStack) -> ModelSource:
    """The same model, for a bare GGUF with its tokenizer beside it until the stack unwinds."""
    if not needs_tokenizer(source):
        return source
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="teetee-check-"))
    return prepare_gguf(source, Path(folder), link=os.symlink)


def prepare_gguf(
    source: ModelSource, folder: Path, link: Callable[[Path, Path], None] = os.link
) -> ModelSource:
    """Links (across file systems: copies) all files of the GGUF into `folder` and writes its
    tokenizer there.

    Chat template and special tokens are those of the GGUF's metadata, so no digest changes.
    Raises `ModelNotFound` for another format, `TokenizerUnsupported`, `TokenizerInvalid`, and what
    loading the model would raise: `TensorMissing`, `TensorInvalid`.
    """
    if source.gguf is None:
        raise ModelNotFound(str(source.folder), "only a GGUF needs to be prepared")
    check_tensors(source)
    check_tokenizer_keys(source.metadata, str(source.gguf))
    text = convert_tokenizer(source.gguf.resolve())
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.gguf_files:
        target = folder / file.name
        if not target.exists():
            try:
                link(file.resolve(), target)
            except OSError:
                shutil.copyfile(file, target)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    configuration = json.dumps(_configuration(source, Tokenizer.from_str(text)), indent=2)
    (folder / "tokenizer_config.json").write_text(configuration + "\n", encoding="utf-8")
    return open_model(folder)


def _configuration(source: ModelSource, tokenizer: Tokenizer) -> dict[str, str]:
    """The metadata's settings in the file where transformers and other readers look for them."""
    template = source.metadata.get("tokenizer.chat_template")
    configuration = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if isinstance(template, str):
        configuration["chat_template"] = template
    for role, token_id in role_ids(source.metadata, source.name).items():
        token = tokenizer.id_to_token(token_id)
        if token is not None:
            configuration[PRINTED_ROLES[role]] = token
    return configuration
