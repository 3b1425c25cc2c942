# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.runtime.models.conversion GGUF FOLDER`: converts to fp32 safetensors."""

import sys
from pathlib import Path

from shard_runtime.model_files.source import open_model
from shard_tools.check.reference import load_reference

if __name__ == "__main__":
    load_reference(open_model(Path(sys.argv[1]))).save_pretrained(sys.argv[2])
