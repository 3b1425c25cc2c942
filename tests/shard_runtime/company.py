# SPDX-License-Identifier: Apache-2.0
"""Prompts asked alone, and the same prompts among requests that have nothing to do with them."""

import random
from collections.abc import Sequence

from teetee.protocol.prompt import Sampling
from tests.shard_runtime.engine.test_batching import at_once, tokens
from tests.shard_runtime.rings import Ring
from tests.shard_runtime.tiny_models import prompt_of

Answer = tuple[int, ...]
OTHERS = 3


def said_alone(ring: Ring, prompts: Sequence[Answer], count: int) -> list[Answer]:
    """Greedy answers of `count` tokens, one after the other."""
    return [ring.ask(prompt, count).token_ids for prompt in prompts]


def said_among_others(ring: Ring, prompts: Sequence[Answer], count: int, seed: int) -> list[Answer]:
    """The same, all at once, in any order, with others that come and go when they like."""
    chance = random.Random(seed)
    asked = [(prompt, Sampling(max_tokens=count)) for prompt in prompts]
    asked += [_other(chance, count) for _ in range(OTHERS)]
    order = chance.sample(range(len(asked)), len(asked))
    got = dict(zip(order, at_once(ring, [asked[number] for number in order]), strict=True))
    return [tokens(got[number]) for number in range(len(prompts))]


def _other(chance: random.Random, count: int) -> tuple[Answer, Sampling]:
    sampling = Sampling(
        max_tokens=chance.randint(1, 2 * count),
        temperature=chance.choice([0.0, 1.0]),
        top_k=chance.choice([0, 20]),
        seed=chance.randrange(1000),
    )
    return prompt_of(chance.randint(1, 40), seed=chance.randrange(1000)), sampling
