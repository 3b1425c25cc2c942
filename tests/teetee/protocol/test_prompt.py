# SPDX-License-Identifier: Apache-2.0
"""Prompts and answers as JSON.

given untrusted JSON
    when a wallet or an entry wrote it
        it should become the prompt or answer
    when a field is missing, unknown, repeated, or out of bounds
        it should be refused, naming field and rule
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teetee.errors import AnswerInvalid, PromptInvalid
from teetee.protocol.answer import Answer
from teetee.protocol.identifiers import ShardId
from teetee.protocol.prompt import Prompt, ShardChoice

GOOD: dict[str, Any] = {
    "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}],
    "sampling": {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 0,
        "seed": None,
        "stop": [],
        "max_tokens": 10,
    },
    "shards": {"only": [4, 5], "avoid": [5]},
}
GOOD_ANSWER: dict[str, Any] = {
    "text": "yes",
    "token_ids": [5, 2],
    "finish_reason": "stop",
    "usage": {"input_tokens": 4, "output_tokens": 2},
}


def with_sampling(**changes: Any) -> bytes:
    return json.dumps(GOOD | {"sampling": GOOD["sampling"] | changes}).encode()


def with_messages(messages: Any) -> bytes:
    return json.dumps(GOOD | {"messages": messages}).encode()


def with_shards(**changes: Any) -> bytes:
    return json.dumps(GOOD | {"shards": GOOD["shards"] | changes}).encode()


def test_m11__requester_chooses_shards__permits_those_alone() -> None:
    chosen = Prompt.from_json(json.dumps(GOOD).encode()).shards
    assert [chosen.permits(ShardId(each)) for each in (4, 5, 6)] == [True, False, False]
    avoided = ShardChoice(avoid=(ShardId(4),))
    assert [avoided.permits(ShardId(each)) for each in (4, 5)] == [False, True]


def test_from_json__good_prompt__is_read() -> None:
    prompt = Prompt.from_json(json.dumps(GOOD).encode())
    assert [(message.role, message.content) for message in prompt.messages] == [
        ("system", "a"),
        ("user", "b"),
    ]
    assert (prompt.sampling.temperature, prompt.sampling.seed) == (0.5, None)
    assert json.loads(prompt.to_json()) == GOOD


@pytest.mark.parametrize(
    ("data", "field"),
    [
        pytest.param(with_sampling(temperature=-0.1), "sampling.temperature", id="cold"),
        pytest.param(with_sampling(temperature=2.1), "sampling.temperature", id="hot"),
        pytest.param(with_sampling(temperature="1"), "sampling.temperature", id="text"),
        pytest.param(with_sampling(temperature=True), "sampling.temperature", id="truth"),
        pytest.param(with_sampling(temperature=10**400), "sampling.temperature", id="huge"),
        pytest.param(with_sampling(top_p=0), "sampling.top_p", id="top_p zero"),
        pytest.param(with_sampling(top_p=1.01), "sampling.top_p", id="top_p above one"),
        pytest.param(with_sampling(top_k=-1), "sampling.top_k", id="top_k negative"),
        pytest.param(with_sampling(top_k=1.0), "sampling.top_k", id="top_k fraction"),
        pytest.param(with_sampling(seed=-1), "sampling.seed", id="seed negative"),
        pytest.param(with_sampling(seed=2**53), "sampling.seed", id="seed too large"),
        pytest.param(with_sampling(stop=["a"] * 5), "sampling.stop", id="five stops"),
        pytest.param(with_sampling(stop=[""]), "sampling.stop", id="empty stop"),
        pytest.param(with_sampling(stop=[1]), "sampling.stop", id="stop a number"),
        pytest.param(with_sampling(stop="a"), "sampling.stop", id="stop no list"),
        pytest.param(with_sampling(stop=["a" * 257]), "sampling.stop", id="long stop"),
        pytest.param(with_sampling(max_tokens=0), "sampling.max_tokens", id="no tokens"),
        pytest.param(with_sampling(max_tokens=2**32), "sampling.max_tokens", id="many tokens"),
        pytest.param(with_sampling(surprise=1), "sampling", id="unknown option"),
        pytest.param(with_shards(only=[0]), "shards.only", id="shard zero"),
        pytest.param(with_shards(only=["4"]), "shards.only", id="shard a text"),
        pytest.param(with_shards(avoid=[1] * 65), "shards.avoid", id="65 shards"),
        pytest.param(with_shards(avoid=4), "shards.avoid", id="shards no list"),
        pytest.param(with_shards(more=[]), "shards", id="unknown list"),
        pytest.param(with_messages([]), "messages", id="no message"),
        pytest.param(with_messages("hi"), "messages", id="messages no list"),
        pytest.param(with_messages(GOOD["messages"] * 200), "messages", id="400 messages"),
        pytest.param(with_messages([{"role": "tool", "content": "a"}]), "messages.role", id="role"),
        pytest.param(with_messages([{"role": 1, "content": "a"}]), "messages.role", id="no role"),
        pytest.param(
            with_messages([{"role": "user", "content": ""}]), "messages.content", id="empty"
        ),
        pytest.param(
            with_messages([{"role": "user", "content": "\ud800"}]),
            "the text",
            id="lone surrogate",
        ),
        pytest.param(
            with_messages([{"role": "user", "content": "a", "name": "b"}]),
            "messages",
            id="unknown field",
        ),
        pytest.param(json.dumps(GOOD | {"tools": []}).encode(), "prompt", id="unknown part"),
        pytest.param(json.dumps({"messages": []}).encode(), "prompt", id="no sampling"),
        pytest.param(b"[]", "the text", id="list"),
        pytest.param(b"", "the text", id="empty text"),
        pytest.param(b"\xff", "the text", id="not UTF-8"),
        pytest.param(b"[" * 60_000, "the text", id="deep nesting"),
        pytest.param(b"1" * 5_000, "the text", id="endless number"),
        pytest.param(with_sampling(temperature=float("nan")), "the text", id="NaN"),
        pytest.param(b'{"messages":[],"messages":[]}', "the text", id="repeated field"),
    ],
)
def test_from_json__bad_prompt__is_refused_by_field(data: bytes, field: str) -> None:
    with pytest.raises(PromptInvalid) as refused:
        Prompt.from_json(data)
    assert refused.value.field == field


@given(data=st.binary(max_size=200))
def test_from_json__any_bytes__are_a_prompt_or_refused(data: bytes) -> None:
    with pytest.raises(PromptInvalid):
        Prompt.from_json(data)


def test_from_json__good_answer__is_read() -> None:
    answer = Answer.from_json(json.dumps(GOOD_ANSWER).encode())
    assert (answer.text, answer.token_ids, answer.finish_reason) == ("yes", (5, 2), "stop")
    assert json.loads(answer.to_json()) == GOOD_ANSWER


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"token_ids": [1]}, "token_ids", id="fewer ids than tokens"),
        pytest.param({"token_ids": [1, -1]}, "token_ids", id="negative id"),
        pytest.param({"token_ids": [1, "2"]}, "token_ids", id="text as id"),
        pytest.param({"finish_reason": "bored"}, "finish_reason", id="reason"),
        pytest.param({"text": 1}, "text", id="text a number"),
        pytest.param({"usage": {}}, "usage", id="no usage"),
        pytest.param(
            {"usage": {"input_tokens": 0, "output_tokens": 2}}, "usage.input_tokens", id="no input"
        ),
        pytest.param({"more": 1}, "answer", id="unknown field"),
    ],
)
def test_from_json__bad_answer__is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(AnswerInvalid) as refused:
        Answer.from_json(json.dumps(GOOD_ANSWER | changes).encode())
    assert refused.value.field == field
