# SPDX-License-Identifier: Apache-2.0
"""Converts the tokenizer in a GGUF's metadata to `tokenizer.json`, using transformers in a
subprocess.

A subprocess, because transformers and the conversion need several hundred megabytes that a serving
process would never give back. `python -m shard_tools prepare` converts once, so that serving needs
no transformers at all.
"""

import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from shard_runtime.errors import TokenizerInvalid, TokenizerMissing

_TIMEOUT_SECONDS = 300


@lru_cache(maxsize=1)
def convert_tokenizer(gguf: Path) -> str:
    """The content of `tokenizer.json`.

    Raises `TokenizerMissing` if transformers is not installed, `TokenizerInvalid` if the conversion
    fails.
    """
    if find_spec("transformers") is None:
        raise TokenizerMissing(str(gguf))
    command = [sys.executable, "-m", "shard_runtime.model_files.gguf.tokenizer_json", str(gguf)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError):
        raise TokenizerInvalid(str(gguf), "transformers cannot convert it") from None
    return done.stdout.decode()


def _convert(gguf: Path) -> str:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    return str(tokenizer.backend_tokenizer.to_str())


if __name__ == "__main__":
    sys.stdout.write(_convert(Path(sys.argv[1])))
