# SPDX-License-Identifier: Apache-2.0
"""The workload: a number of concurrent prompts, and a number of tokens to decode for each."""

import random
from dataclasses import dataclass

Prompt = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """The same for all systems of a run."""

    prompt_tokens: int
    new_tokens: int

    def prompts(self, streams: int, vocabulary: int) -> list[Prompt]:
        """Random token ids, as in llama-bench; a different prompt for each stream."""
        generator = random.Random(streams)
        return [
            tuple(generator.randrange(vocabulary) for _ in range(self.prompt_tokens))
            for _ in range(streams)
        ]


FP32, INT8, BF16 = "fp32", "int8", "bf16"
CPU_PRECISIONS = (FP32, INT8)
"""Compared on CPUs; bf16 is for GPUs."""

FULL = Workload(prompt_tokens=256, new_tokens=128)
QUICK = Workload(prompt_tokens=128, new_tokens=32)
