# SPDX-License-Identifier: Apache-2.0
"""What everybody is asked: a number of prompts at once, a number of tokens for each."""

import random
from dataclasses import dataclass

Prompt = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """The same for all systems of a run."""

    prompt_tokens: int
    new_tokens: int

    def prompts(self, streams: int, vocabulary: int) -> list[Prompt]:
        """Random token ids, as llama-bench takes them; another prompt for each stream."""
        chosen = random.Random(streams)
        return [
            tuple(chosen.randrange(vocabulary) for _ in range(self.prompt_tokens))
            for _ in range(streams)
        ]


FULL = Workload(prompt_tokens=256, new_tokens=128)
QUICK = Workload(prompt_tokens=128, new_tokens=32)
