"""`python -m benchmarks.runtime.conversion GGUF FOLDER`: a GGUF as fp32 safetensors."""

import sys
from pathlib import Path

from shard_runtime.check.reference import load_reference
from shard_runtime.model.source import open_model

if __name__ == "__main__":
    load_reference(open_model(Path(sys.argv[1]))).save_pretrained(sys.argv[2])
