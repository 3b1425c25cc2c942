# SPDX-License-Identifier: Apache-2.0
"""A tokenizer out of a GGUF's metadata, by transformers, in a process of its own.

Of its own, because transformers and the conversion need some hundred megabytes that a serving
process would never give back. `python -m shard_tools prepare` does this once, so that serving
needs no transformers at all.
"""

import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from shard_runtime.errors import TokenizerInvalid, TokenizerMissing

_SECONDS = 300


@lru_cache(maxsize=1)
def tokenizer_json_of(gguf: Path) -> str:
    """What tokenizer.json would hold. Raises `TokenizerMissing` without transformers,
    `TokenizerInvalid`.
    """
    if find_spec("transformers") is None:
        raise TokenizerMissing(str(gguf))
    command = [sys.executable, "-m", "shard_runtime.model_files.gguf.tokenizer", str(gguf)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError):
        raise TokenizerInvalid(str(gguf), "transformers cannot convert it") from None
    return done.stdout.decode()


def _convert(gguf: Path) -> str:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    return str(tokenizer.backend_tokenizer.to_str())


if __name__ == "__main__":
    sys.stdout.write(_convert(Path(sys.argv[1])))
