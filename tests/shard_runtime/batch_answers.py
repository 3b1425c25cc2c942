# SPDX-License-Identifier: Apache-2.0
"""Answers to prompts that run alone, and among unrelated requests."""

import random
from collections.abc import Sequence

from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_batching import ask_together, tokens
from tests.shard_runtime.rings import Ring
from tests.shard_runtime.tiny_models import prompt_of

Answer = tuple[int, ...]
OTHERS = 3


def answers_alone(ring: Ring, prompts: Sequence[Answer], count: int) -> list[Answer]:
    """Greedy answers of `count` tokens, one after the other."""
    return [ring.ask(prompt, count).token_ids for prompt in prompts]


def answers_among_others(
    ring: Ring, prompts: Sequence[Answer], count: int, seed: int
) -> list[Answer]:
    """The same, together and in any order, with others that start and end at other times."""
    chance = random.Random(seed)
    asked = [(prompt, Sampling(max_tokens=count)) for prompt in prompts]
    asked += [_other(chance, count) for _ in range(OTHERS)]
    order = chance.sample(range(len(asked)), len(asked))
    got = dict(zip(order, ask_together(ring, [asked[number] for number in order]), strict=True))
    return [tokens(got[number]) for number in range(len(prompts))]


def _other(chance: random.Random, count: int) -> tuple[Answer, Sampling]:
    sampling = Sampling(
        max_tokens=chance.randint(1, 2 * count),
        temperature=chance.choice([0.0, 1.0]),
        top_k=chance.choice([0, 20]),
        seed=chance.randrange(1000),
    )
    return prompt_of(chance.randint(1, 40), seed=chance.randrange(1000)), sampling
