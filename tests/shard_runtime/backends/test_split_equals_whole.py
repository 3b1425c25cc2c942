# SPDX-License-Identifier: Apache-2.0
"""Split inference equals whole inference, token by token, alone and among other requests.

given a model of any family with random weights
    when it is split into 1, 2, 3 and 5 stages, in float32
        its greedy tokens should equal those of the unsplit model in transformers
    when the prompt is longer than a chunk
        they should be the same
    when other requests, with other prompts and sampling, share its steps
        they should be the same
    when it is split in bfloat16
        they should equal those of one stage
    when others share its steps in bfloat16
        they should be the same, except where two tokens are almost equally likely: torch rounds a
        row differently beside others
    when the links use TLS on loopback
        they should be the same

`native/test_ring.py` tests the native backend, `test_smollm2.py` a real model.
"""

from collections.abc import Callable
from functools import cache

import pytest
from transformers import PreTrainedModel

from shard_runtime import ModelSource, load_shard
from teetee.protocol.layers import LayerRange
from tests.shard_runtime.batch_answers import Answer, answers_alone, answers_among_others
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.one_run import forward_run
from tests.shard_runtime.rings import running
from tests.shard_runtime.tiny_models import MODELS, greedy, prompt_of

STAGES = [1, 2, 3, 5]
TOKENS = 16
PROMPTS = [prompt_of(length, seed=length) for length in (1, 8, 21)]
FEWER = 8
IN_BFLOAT16 = (PROMPTS[2:], FEWER)
EQUALLY_LIKELY = 0.1
"""Maximum gap of a tie, as a share of the largest score. Measured: computing the same positions one
at a time moves a score by 0.04 of it, and two scores may move in opposite directions."""


@cache
def transformers_answers(reference: PreTrainedModel) -> list[Answer]:
    return [greedy(reference, prompt, TOKENS) for prompt in PROMPTS]


@pytest.mark.parametrize("stages", STAGES, ids=lambda stages: f"{stages} stages")
@pytest.mark.parametrize("name", MODELS)
def test_generate__split_model__equals_transformers(
    tiny: Callable[[str], Tiny], name: str, stages: int
) -> None:
    source, reference = tiny(name)
    with running(source, stages) as ring:
        expected = transformers_answers(reference)
        assert answers_alone(ring, PROMPTS, TOKENS) == expected
        among = answers_among_others(ring, PROMPTS, FEWER, seed=stages)
        assert among == [answer[:FEWER] for answer in expected]


@pytest.mark.parametrize("name", MODELS)
def test_generate__split_model_in_bfloat16__equals_one_stage(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    whole: list[Answer] = []
    for stages in STAGES:
        with running(tiny(name)[0], stages, dtype="bfloat16") as ring:
            found = answers_alone(ring, *IN_BFLOAT16)
            whole = whole or found
            assert found == whole
            among = answers_among_others(ring, *IN_BFLOAT16, seed=stages)
        for prompt, actual, other in zip(IN_BFLOAT16[0], whole, among, strict=True):
            assert_same_but_for_ties(tiny(name)[0], prompt, actual, other)


def assert_same_but_for_ties(
    source: ModelSource, prompt: Answer, actual: Answer, other: Answer
) -> None:
    """At the first difference of two answers in bfloat16, both tokens are about equally likely."""
    pairs = enumerate(zip(actual, other, strict=False))
    difference = next((at for at, (one, another) in pairs if one != another), None)
    if difference is None:
        assert actual == other
        return
    layers = LayerRange(0, source.architecture.layer_count)
    shard = load_shard(source, layers, is_entry=True, dtype="bfloat16")
    history = prompt + actual[:difference]
    cache = shard.cache_pool(1 << 28).allocate(len(history))
    scores = shard.logits(forward_run(shard, shard.embed(history), cache, 0)[-1])
    gap = (scores[actual[difference]] - scores[other[difference]]).abs()
    assert gap <= EQUALLY_LIKELY * scores.abs().max()


@pytest.mark.parametrize("stages", [2, 3], ids=lambda stages: f"{stages} stages")
@pytest.mark.parametrize("name", ["llama tied", "qwen3"])
def test_generate__over_tls__equals_transformers(
    tiny: Callable[[str], Tiny], name: str, stages: int
) -> None:
    source, reference = tiny(name)
    prompt = prompt_of(30)
    with running(source, stages, tls=True) as ring:
        generation = ring.ask(prompt, 10)
        assert generation.token_ids == greedy(reference, prompt, 10)
        assert len(generation.receipts) == stages
