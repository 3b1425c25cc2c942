"""A GGUF made ready for serving: with its tokenizer beside it, so that nobody has to convert it
again.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from shard_runtime.errors import ModelNotFound
from shard_runtime.model.gguf_tokenizer import tokenizer_json_of
from shard_runtime.model.source import ModelSource, open_model


def needs_tokenizer(source: ModelSource) -> bool:
    """Whether this is a GGUF that knows its tokens and has no tokenizer.json beside it."""
    beside = (source.folder / "tokenizer.json").is_file()
    return source.gguf is not None and "tokenizer.ggml.model" in source.metadata and not beside


def prepare(
    source: ModelSource, folder: Path, link: Callable[[Path, Path], None] = os.link
) -> ModelSource:
    """Link (or copy, across file systems) the GGUF into `folder` and write tokenizer.json there.

    Chat template and special tokens stay in the GGUF's metadata: its digests do not change.
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
    return open_model(folder)
