"""Split inference equals whole inference, greedy token for greedy token, in float32.

given a Llama-shaped model with random weights
    when it is split into 1, 2, 3 and 5 stages
        it should say what transformers says of the unsplit model
    when the prompt is longer than a chunk
        it should say the same
    when the links are TLS on loopback
        it should say the same
"""

from collections.abc import Callable

import pytest

from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.rings import running
from tests.shard_runtime.tiny_models import MODELS, greedy, prompt_of

STAGES = [1, 2, 3, 5]


@pytest.mark.parametrize("stages", STAGES, ids=lambda stages: f"{stages} stages")
@pytest.mark.parametrize("name", MODELS)
def test_generate__split_model__equals_transformers(
    tiny: Callable[[str], Tiny], name: str, stages: int
) -> None:
    source, reference = tiny(name)
    with running(source, stages) as ring:
        for length in (1, 8, 21):
            prompt = prompt_of(length, seed=length)
            assert ring.ask(prompt, 16).token_ids == greedy(reference, prompt, 16)


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
