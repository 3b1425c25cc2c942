# SPDX-License-Identifier: Apache-2.0
"""Requests derived from a seed (prompt, sampling, length), and their answers when they run alone
without a fault.
"""

import random
from dataclasses import dataclass, replace

from shard_runtime import Generation
from teetee.protocol.identifiers import RequestId
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.rings import Ring

TOKENS = 64
"""Every seed asks for this many, or a few more."""


@dataclass(frozen=True)
class Asked:
    """The request of one seed."""

    seed: int
    prompt: tuple[int, ...]
    sampling: Sampling

    @property
    def request_id(self) -> RequestId:
        return RequestId(self.seed + 1)


def asked(seed: int) -> Asked:
    """Seven of ten sample their tokens; the others are greedy."""
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
    """Answers of a ring that runs one seed after the other, each once."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._answers: dict[int, Generation] = {}

    def answer(self, one: Asked) -> Generation:
        if one.seed not in self._answers:
            self._answers[one.seed] = self._ring.ask(one.prompt, sampling=one.sampling)
        return self._answers[one.seed]

    def is_long(self, one: Asked) -> bool:
        """Whether its answer has all 64 tokens, and does not end sooner."""
        return self.answer(one).output_tokens >= TOKENS

    def first(self, count: int) -> list[Asked]:
        """Seeds from 0 on, until `count` of them are long."""
        found: list[Asked] = []
        while sum(map(self.is_long, found)) < count:
            found.append(asked(len(found)))
        return found
