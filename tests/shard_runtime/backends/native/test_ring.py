# SPDX-License-Identifier: Apache-2.0
"""Rings of native shards: the tokens of a run depend only on its prompt and sampling.

given a model in int8 or float32
    when it is split over 1, 2, 3 or 5 stages, alone and in a random batch
        it should give the same tokens, and receipts with the same commitments
        it should give the tokens of transformers, if it is float32
    when a run is computed beside others, with prompts of any length
        it should give the same tokens as alone
    when a stage fails at any position
        it should continue with the same tokens
    when 32 runs compete for a cache budget of a few
        they should stay within the budget and all be answered
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shard_runtime import Backend, Generation, ModelSource
from shard_runtime.backends.native import unsupported_reason
from shard_runtime.errors import PrecisionUnavailable
from teetee.protocol.prompt import Sampling
from tests.shard_runtime.backends.test_cache_budget import assert_32_streams_keep_to_budgets
from tests.shard_runtime.batch_answers import Answer, answers_among_others
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.engine.test_failover import LONG, SETTINGS, STAGE
from tests.shard_runtime.failing import STRIKES, Fault, recovering
from tests.shard_runtime.rings import running
from tests.shard_runtime.tiny_models import MODELS, greedy, prompt_of

TOKENS = 40
PROMPT = prompt_of(21, seed=4)
PRECISIONS = ["int8", "float32"]
COUNT, FEWER = 16, 8
NATIVE = [
    name
    for name in MODELS
    if name.split()[0] in {"llama", "mistral", "ministral", "qwen2", "qwen3", "phi3"}
    and "moe" not in name
    and "longrope" not in name
]


def ask_alone(source: ModelSource, dtype: str) -> Generation:
    with running(source, 1, backend=Backend.NATIVE, dtype=dtype) as ring:
        return ring.ask(PROMPT, TOKENS)


@pytest.mark.parametrize("name", MODELS)
def test_unsupported_reason__any_family__is_none_if_it_is_tested_here(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    is_supported = unsupported_reason(tiny(name)[0].architecture) is None
    assert is_supported == (name in NATIVE)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", NATIVE)
def test_generate__split__equals_the_unsplit_model_to_the_bit(
    tiny: Callable[[str], Tiny], name: str, dtype: str
) -> None:
    source, reference = tiny(name)
    whole: Answer = ()
    for stages in (1, 2, 3, 5):
        with running(source, stages, backend=Backend.NATIVE, dtype=dtype) as ring:
            split, repeated = ring.ask(PROMPT, COUNT), ring.ask(PROMPT, COUNT)
            whole = whole or split.token_ids
            assert split.token_ids == whole
            # Salts depend on the number of stages; commitments are equal on the same path.
            assert commitments(repeated) == commitments(split)
            assert answers_among_others(ring, [PROMPT], FEWER, seed=stages) == [whole[:FEWER]]
    if dtype == "float32":
        assert whole == greedy(reference, PROMPT, COUNT)


def commitments(generation: Generation) -> list[bytes]:
    return [each.receipt.output_commitment for each in generation.receipts]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", range(3))
def test_generate__in_a_random_batch__equals_the_answer_alone(
    llama: ModelSource, dtype: str, seed: int
) -> None:
    chance = random.Random(seed)
    asked = [
        (
            prompt_of(chance.randint(1, 60), seed=1000 * seed + each),
            Sampling(
                max_tokens=chance.randint(1, 30),
                temperature=chance.choice([0.0, 0.9]),
                top_p=chance.choice([1.0, 0.8]),
                top_k=chance.choice([0, 20]),
                seed=each,
            ),
        )
        for each in range(10)
    ]
    with running(llama, 1, backend=Backend.NATIVE, dtype=dtype) as ring:
        alone = [ring.ask(prompt, sampling=sampling) for prompt, sampling in asked]
    with (
        running(llama, 3, backend=Backend.NATIVE, dtype=dtype) as ring,
        ThreadPoolExecutor(len(asked)) as threads,
    ):
        together = list(threads.map(lambda one: ring.ask(one[0], sampling=one[1]), asked))
    for one, other in zip(alone, together, strict=True):
        assert other.token_ids == one.token_ids
        assert other.finish_reason == one.finish_reason


@pytest.mark.parametrize("position", [0, 8, len(PROMPT), len(PROMPT) + 1, 40, 59])
@pytest.mark.parametrize("victim", [2, 3])
@pytest.mark.parametrize("strike", ["killed", "frozen"])
def test_generate__stage_fails__continues_to_the_bit(
    llama: ModelSource, strike: str, victim: int, position: int
) -> None:
    fault = Fault(victim, position, STRIKES[strike])
    with running(
        llama,
        3,
        copies=2,
        entry_settings=SETTINGS,
        stage_settings=STAGE,
        tamper=fault,
        backend=Backend.NATIVE,
        dtype="int8",
    ) as ring:
        with recovering(ring, fault):
            deadline = time.monotonic() + LONG
            found = ring.ask(PROMPT, TOKENS, choose_path=ring.choose, deadline=deadline)
        assert fault.struck.is_set()
    assert found.token_ids == ask_alone(llama, "int8").token_ids
    assert found.changes[0].from_shards == (victim,)


def test_load_shard__model_that_the_kernels_do_not_support__says_why(
    tiny: Callable[[str], Tiny],
) -> None:
    with (
        pytest.raises(PrecisionUnavailable, match="RMSNorm"),
        running(tiny("gpt2")[0], 1, dtype="int8", backend=Backend.AUTO),
    ):
        pass


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_generate__32_runs_with_little_memory__are_all_answered_within_the_budget(
    llama: ModelSource, dtype: str
) -> None:
    assert_32_streams_keep_to_budgets(llama, backend=Backend.NATIVE, dtype=dtype)
