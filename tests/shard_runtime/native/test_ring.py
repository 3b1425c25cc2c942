"""Rings of native shards: what a run says depends on nothing but its prompt.

given a model in int8 or float32
    when it is split over 1, 2, 3 or 5 stages
        it should give the same tokens, whose receipts commit to the same bytes
    when a run is beside others, with prompts of any length
        it should give what it gives alone
    when a stage is lost at any moment
        it should go on with the same tokens
"""

import random
from collections.abc import Callable

import pytest

from shard_runtime import Compute, Generation, ModelSource
from shard_runtime.errors import PrecisionUnavailable
from teetee.identifiers import ShardId
from teetee.prompt import Sampling
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.replicas import LAST, MIDDLE, Freeze, replicated
from tests.shard_runtime.rings import running
from tests.shard_runtime.test_failover import BRISK, run_together
from tests.shard_runtime.tiny_models import prompt_of

TOKENS = 40
PROMPT = prompt_of(21, seed=4)
PRECISIONS = ["int8", "float32"]
NATIVE = ["llama", "llama tied", "mistral", "qwen2", "qwen3"]


def ask_alone(source: ModelSource, dtype: str, stages: int = 1) -> Generation:
    with running(source, stages, compute=Compute.NATIVE, dtype=dtype) as ring:
        return ring.ask(PROMPT, TOKENS)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", NATIVE)
def test_generate__split__is_the_unsplit_models_to_the_bit(
    tiny: Callable[[str], Tiny], name: str, dtype: str
) -> None:
    source = tiny(name)[0]
    whole = ask_alone(source, dtype)
    for stages in (2, 3, 5):
        split = ask_alone(source, dtype, stages)
        assert split.token_ids == whole.token_ids
        # the salt of the last hop differs with the number of stages; two of one path agree
        again = ask_alone(source, dtype, stages)
        commitments = [each.receipt.output_commitment for each in split.receipts]
        assert [each.receipt.output_commitment for each in again.receipts] == commitments


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", range(3))
def test_generate__in_a_random_batch__is_what_it_is_alone(
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
    with running(llama, 1, compute=Compute.NATIVE, dtype=dtype) as ring:
        alone = [ring.ask(prompt, sampling=sampling) for prompt, sampling in asked]
    together: dict[int, Generation] = {}
    with running(llama, 3, compute=Compute.NATIVE, dtype=dtype) as ring:
        run_together(
            [
                lambda index=index: together.update(  # type: ignore[misc]
                    {index: ring.ask(asked[index][0], sampling=asked[index][1])}
                )
                for index in range(len(asked))
            ]
        )
    for index, one in enumerate(alone):
        assert together[index].token_ids == one.token_ids
        assert together[index].finish_reason == one.finish_reason


@pytest.mark.parametrize("after", [0, 1, 2, 7, 20, 41])
@pytest.mark.parametrize("lost", [MIDDLE, LAST], ids=["the middle", "the last"])
def test_generate__stage_is_lost__goes_on_to_the_bit(
    llama: ModelSource, lost: ShardId, after: int
) -> None:
    freeze = Freeze(lost, after)
    with replicated(llama, freeze, BRISK, compute=Compute.NATIVE, dtype="int8") as replicas:
        found = replicas.ask(PROMPT, TOKENS)
    assert freeze.is_frozen
    assert found.token_ids == ask_alone(llama, "int8").token_ids
    assert found.changes


def test_load_shard__model_that_the_kernels_do_not_know__says_so(
    tiny: Callable[[str], Tiny],
) -> None:
    with (
        pytest.raises(PrecisionUnavailable, match="RMSNorm"),
        running(tiny("gpt2")[0], 1, dtype="int8", compute=Compute.AUTO),
    ):
        pass
