# SPDX-License-Identifier: Apache-2.0
"""Prompt, answer and hidden states appear in no log, error or repr.

given a prompt with a canary
    when it is answered, fails at a stage, or fails in the middle of computing
        no log record, error or repr should hold it, its token ids, or its answer
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shard_runtime import ModelSource, open_model
from shard_runtime.abort_reason import AbortReason
from shard_runtime.backends.torch.torch_shard import TorchShard
from shard_runtime.errors import StageFailed, StageMisbehaved
from shard_runtime.links.frames import Hidden, decode
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.byte_tokenizer import write_tokenizer
from tests.shard_runtime.rings import Ring, running
from tests.shard_runtime.tiny_models import SHAPE, save

CANARY = "canary the theory"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSource:
    monkeypatch.setitem(SHAPE, "vocab_size", 300)
    save("llama", tmp_path)
    write_tokenizer(tmp_path, "{{ messages[0]['content'] }}")
    return open_model(tmp_path)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def everything(logged: pytest.LogCaptureFixture, *others: object) -> str:
    records = [f"{record.getMessage()} {record.__dict__!r}" for record in logged.records]
    return "\n".join([*records, *(f"{other!s} {other!r}" for other in others)])


def prompt_of(ring: Ring) -> tuple[int, ...]:
    return ring.entry.encode([{"role": "user", "content": CANARY}])


def assert_silent(text: str, prompt: tuple[int, ...]) -> None:
    assert "canary" not in text
    assert str(list(prompt))[1:20] not in text
    assert str(prompt)[1:20] not in text


def test_generate__answered__shows_nothing(
    source: ModelSource, logged: pytest.LogCaptureFixture
) -> None:
    with running(source, 2, tls=True) as ring:
        prompt = prompt_of(ring)
        generation = ring.ask(prompt)
        text = everything(logged, generation, ring.entry, *ring.stages, *ring.shards, source)
    assert_silent(text, prompt)
    assert generation.text
    assert generation.text not in text
    assert str(generation.token_ids)[1:20] not in text


def test_generate__stage_refuses_a_frame__shows_nothing(
    source: ModelSource, logged: pytest.LogCaptureFixture
) -> None:
    def tamper(shard_id: ShardId, body: bytes) -> bytes:
        return body[:-1] if shard_id == 2 and isinstance(decode(body), Hidden) else body

    with running(source, 2, tamper=tamper) as ring:
        prompt = prompt_of(ring)
        with pytest.raises(StageMisbehaved) as raised:
            ring.ask(prompt)
        assert logged.records
        assert_silent(everything(logged, raised.value), prompt)


@pytest.mark.parametrize("number", [1, 2], ids=["the entry", "a stage"])
def test_generate__computing_fails_with_content__names_the_kind_alone(
    source: ModelSource,
    logged: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    whole = TorchShard.forward
    is_entry = number == 1

    def fail(self: TorchShard, *arguments: Any) -> Any:
        if self.is_entry == is_entry:
            raise RuntimeError(f"{CANARY} {arguments}")
        return whole(self, *arguments)

    with running(source, 2) as ring:
        prompt = prompt_of(ring)
        monkeypatch.setattr(TorchShard, "forward", fail)
        with pytest.raises(StageFailed) as raised:
            ring.ask(prompt)
        monkeypatch.setattr(TorchShard, "forward", whole)
        assert (raised.value.shard_id, raised.value.reason) == (number, AbortReason.INTERNAL)
        assert "RuntimeError" in [getattr(record, "kind", "") for record in logged.records]
        assert_silent(everything(logged, raised.value), prompt)
        assert ring.ask(prompt).token_ids  # the service goes on
