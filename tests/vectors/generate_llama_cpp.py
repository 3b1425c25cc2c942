# SPDX-License-Identifier: Apache-2.0
"""Records llama.cpp's logits: `python -m tests.vectors.generate_llama_cpp LIBRARY NAME`.

LIBRARY is a shared library with the functions of llama.h, as build b11549 has them; NAME says what
it is, for the file. tests/vectors/gguf/README.md tells where the recorded ones are from.
"""

import ctypes
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.shard_runtime.model_files.gguf.llama_cpp_cases import CASES
from tests.shard_runtime.model_files.gguf.tiny_gguf import CONTEXT, PROMPT, VOCABULARY, write_case

TARGET = Path(__file__).parent / "gguf" / "logits.json"

# Places of 32-bit fields in llama_context_params.
_N_CTX, _FLASH_ATTENTION, _TYPE_K, _TYPE_V = 0, 13, 26, 27
_F32 = 0


class _Parameters(ctypes.Structure):
    """llama_model_params or llama_context_params, with room to spare."""

    _fields_ = (("fields", ctypes.c_uint32 * 128),)


class _Batch(ctypes.Structure):
    """llama_batch."""

    _fields_ = (
        ("token_count", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("token", "embd", "pos", "n_seq_id", "seq", "out")),
    )


class LlamaCpp:
    """The functions of llama.h that are needed here."""

    def __init__(self, library: str) -> None:
        self._calls: Any = ctypes.CDLL(library)
        pointer, parameters = ctypes.c_void_p, _Parameters
        for name, result, arguments in (
            ("llama_model_default_params", parameters, []),
            ("llama_context_default_params", parameters, []),
            ("llama_model_load_from_file", pointer, [ctypes.c_char_p, parameters]),
            ("llama_init_from_model", pointer, [pointer, parameters]),
            (
                "llama_batch_get_one",
                _Batch,
                [ctypes.POINTER(ctypes.c_int32), ctypes.c_int32],
            ),
            ("llama_decode", ctypes.c_int32, [pointer, _Batch]),
            ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), [pointer, ctypes.c_int32]),
            ("llama_free", None, [pointer]),
            ("llama_model_free", None, [pointer]),
        ):
            function = getattr(self._calls, name)
            function.restype, function.argtypes = result, arguments
        self._calls.llama_backend_init()

    def logits(self, path: Path) -> list[float]:
        """The logits after the prompt, computed in float32 throughout."""
        model = self._calls.llama_model_load_from_file(
            str(path).encode(), self._calls.llama_model_default_params()
        )
        assert model, f"llama.cpp refuses {path}"
        parameters = self._calls.llama_context_default_params()
        parameters.fields[_N_CTX] = CONTEXT
        parameters.fields[_FLASH_ATTENTION] = 0
        parameters.fields[_TYPE_K] = parameters.fields[_TYPE_V] = _F32
        context = self._calls.llama_init_from_model(model, parameters)
        assert context, f"llama.cpp makes no context for {path}"
        tokens = (ctypes.c_int32 * len(PROMPT))(*PROMPT)
        batch = self._calls.llama_batch_get_one(tokens, len(PROMPT))
        assert self._calls.llama_decode(context, batch) == 0
        logits = self._calls.llama_get_logits_ith(context, -1)[:VOCABULARY]
        self._calls.llama_free(context)
        self._calls.llama_model_free(model)
        return list(logits)


def main(library: str, name: str) -> None:
    """Writes the logits of all cases."""
    llama_cpp = LlamaCpp(library)
    with TemporaryDirectory() as folder:
        logits = {
            title: [
                float(f"{number:.6g}")
                for number in llama_cpp.logits(write_case(case, Path(folder) / "model.gguf"))
            ]
            for title, case in CASES.items()
        }
    lines = [f"    {json.dumps(title)}: {json.dumps(row)}" for title, row in logits.items()]
    body = ",\n".join(lines)
    TARGET.write_text(
        f'{{\n  "computed by": {json.dumps(name)},\n  "logits": {{\n{body}\n  }}\n}}\n'
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
