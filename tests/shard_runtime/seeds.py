# SPDX-License-Identifier: Apache-2.0
"""Requests that follow from a number: prompt, how tokens are drawn, how many. And their answers
when nothing happens and nobody else asks.
"""

import random
from dataclasses import dataclass, replace

from shard_runtime import Generation
from teetee.protocol.identifiers import RequestId
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.rings import Ring

TOKENS = 64
"""Every seed asks for so many, or a few more."""


@dataclass(frozen=True)
class Asked:
    """What a seed stands for."""

    seed: int
    prompt: tuple[int, ...]
    sampling: Sampling

    @property
    def request_id(self) -> RequestId:
        return RequestId(self.seed + 1)


def asked(seed: int) -> Asked:
    """Seven of ten draw their tokens; the others take the likeliest."""
    chance = random.Random(seed)
    prompt = tuple(chance.randrange(256) for _ in range(chance.randint(2, 40)))
    greedy = Sampling(max_tokens=TOKENS + chance.randrange(8), seed=seed)
    drawn = replace(
        greedy,
        temperature=chance.uniform(0.3, 1.5),
        top_p=chance.choice([1.0, 0.95, 0.7]),
        top_k=chance.choice([0, 50, 5]),
    )
    return Asked(seed, prompt, drawn if chance.random() < 0.7 else greedy)


class Alone:
    """Answers of a ring that is asked one seed after the other, each once."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._answers: dict[int, Generation] = {}

    def answer(self, one: Asked) -> Generation:
        if one.seed not in self._answers:
            self._answers[one.seed] = self._ring.ask(one.prompt, sampling=one.sampling)
        return self._answers[one.seed]

    def is_long(self, one: Asked) -> bool:
        """Whether its answer has all 64 tokens, and does not end sooner by itself."""
        return self.answer(one).output_tokens >= TOKENS

    def first(self, count: int) -> list[Asked]:
        """Seeds from 0 on, until so many of them are long."""
        found: list[Asked] = []
        while sum(map(self.is_long, found)) < count:
            found.append(asked(len(found)))
        return found
