# SPDX-License-Identifier: Apache-2.0
"""An answer ends with `length` before its JSON exceeds what an envelope holds.

given a job with a limit in bytes
    when any tokens are chosen, also such that take six bytes for a character, incomplete
    characters, and the beginnings of stop strings
        the answer's JSON should never exceed the limit, and the answer should say `length`
        it should not end long before the limit
given a job without a limit
    it should end by its tokens alone
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shard_runtime.engine.entry.job import GenerationJob
from shard_runtime.engine.entry.request import EntryRequest
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from teetee.protocol.answer import Answer
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.prompt import Sampling
from teetee.protocol.sealing.padding import MAX_PLAINTEXT_BYTES
from tests.shard_runtime.byte_tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
VOCABULARY = BYTES.get_vocab_size()
PROMPT = (1, 2, 3)


TOKENIZER = ModelTokenizer(TokenizerFiles(BYTES.to_str(), None, None, ()), "bytes")


def answer(tokens: list[int], limit: int | None, *stop: str) -> Answer:
    """What a request becomes whose model chooses these tokens, again and again."""
    job = GenerationJob(
        token_ids=PROMPT,
        sampling=Sampling(max_tokens=100_000, stop=stop),
        choose_path=lambda _: (ShardId(1),),
        request_id=RequestId(1),
        salt_of=lambda _: bytes(32),
        max_answer_bytes=limit,
    )
    request = EntryRequest(job, tokenizer=TOKENIZER, context_length=30_000)
    step = 0
    while not request.is_finishing:
        scores = torch.zeros(VOCABULARY)
        scores[tokens[step % len(tokens)]] = 1.0
        request.choose(scores)
        step += 1
    generated = request.generation(())
    return Answer(
        generated.text,
        generated.token_ids,
        generated.finish_reason,
        generated.input_tokens,
        generated.output_tokens,
    )


def ids_of(text: str) -> list[int]:
    return list(BYTES.encode(text).ids)


@given(
    tokens=st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=8),
    limit=st.integers(400, 3_000),
    stop=st.sampled_from([(), ("never said",), ("\x00\x00\x00\x00\x00!",)]),
)
def test_h6__any_tokens__json_never_exceeds_the_limit(
    tokens: list[int], limit: int, stop: tuple[str, ...]
) -> None:
    generated = answer(tokens, limit, *stop)
    size = len(generated.to_json())
    assert size <= limit
    assert generated.finish_reason == "length" or stop


@pytest.mark.parametrize(
    "text",
    ["word ", "\x00", "ü", "漢", "🦆", '"\\'],
    ids=["prose", "zeros", "2", "3", "4", "quotes"],
)
def test_h6__longest_answer__fits_the_envelope(text: str) -> None:
    """It used to be streamed whole and then declined: an answer for nothing."""
    generated = answer(ids_of(text), MAX_PLAINTEXT_BYTES)
    assert generated.finish_reason == "length"
    assert MAX_PLAINTEXT_BYTES - 600 < len(generated.to_json()) <= MAX_PLAINTEXT_BYTES


def test_h6__no_limit__ends_by_the_context() -> None:
    generated = answer(ids_of("word "), None)
    assert (generated.finish_reason, generated.output_tokens) == ("length", 30_000 - len(PROMPT))
    assert len(generated.to_json()) > MAX_PLAINTEXT_BYTES


def test_a3__time_runs_out__answer_ends_at_its_next_token_with_length() -> None:
    job = GenerationJob(
        token_ids=PROMPT,
        sampling=Sampling(max_tokens=100),
        choose_path=lambda _: (ShardId(1),),
        request_id=RequestId(1),
        salt_of=lambda _: bytes(32),
        earlier_shards=(ShardId(7),),
    )
    request = EntryRequest(job, tokenizer=TOKENIZER, context_length=30_000)
    scores = torch.zeros(VOCABULARY)
    scores[ids_of("a")[0]] = 1.0
    for _ in range(3):
        request.choose(scores)
    assert not request.is_finishing
    request.end_for_time()
    request.choose(scores)
    generated = request.generation(())
    assert (generated.finish_reason, generated.text) == ("length", "aaaa")
    assert generated.earlier_shards == (ShardId(7),)


@pytest.mark.parametrize(("min_tokens", "tokens"), [(1, 3), (3, 3), (16, 16), (100, 50)])
def test_b5__time_is_over_after_two_tokens__answer_has_at_least_the_least(
    min_tokens: int, tokens: int
) -> None:
    job = GenerationJob(
        token_ids=PROMPT,
        sampling=Sampling(max_tokens=50),
        choose_path=lambda _: (ShardId(1),),
        request_id=RequestId(1),
        salt_of=lambda _: bytes(32),
        min_tokens=min_tokens,
    )
    request = EntryRequest(job, tokenizer=TOKENIZER, context_length=30_000)
    scores = torch.zeros(VOCABULARY)
    scores[ids_of("a")[0]] = 1.0
    request.choose(scores)
    request.choose(scores)
    request.end_for_time()
    while not request.is_finishing:
        request.choose(scores)
    assert request.generation(()).output_tokens == tokens
