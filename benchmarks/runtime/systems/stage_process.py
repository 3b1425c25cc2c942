# SPDX-License-Identifier: Apache-2.0
"""The process of one measured stage. Commands: `load`, `join`, then `ask` and `report`."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from benchmarks.errors import AnswerIncomplete
from benchmarks.runtime.machine.devices import compute_on
from benchmarks.runtime.machine.workers import Command, serve
from benchmarks.runtime.systems.stage_meter import (
    CountedLinks,
    StageMeter,
    disable_commitments,
    disable_encryption,
)
from shard_runtime import (
    Entry,
    FixedDirectory,
    GenerationJob,
    ModelTokenizer,
    Shard,
    Stage,
    load_shard,
    open_model,
)
from shard_runtime.engine.entry.path_search import fixed_path
from shard_runtime.engine.stage.request_guard import AnyRequest
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from shard_tools.check.loopback import LOOPBACK_SETTINGS, LoopbackStage, peer_from_json
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Sampling

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}


class LetterTokenizer(ModelTokenizer):
    """Decodes each token to one letter and has no end token, so that every token is reported on
    arrival and all answers have the same length.
    """

    def __init__(self) -> None:
        super().__init__(TokenizerFiles(None, None, None, ()), "letters")

    def decode(self, token_ids: Any) -> str:
        """One letter per token."""
        return "x" * len(token_ids)


class MeasuredStage:
    """One stage of the ring."""

    def __init__(self) -> None:
        self._loopback = LoopbackStage()
        self._meter = StageMeter()
        self._shard: Shard | None = None
        self._stage: Entry | Stage | None = None
        self._path: list[ShardId] = []

    def load(self, command: Command) -> Command:
        """Loads the shard and starts to listen."""
        if not command["encrypted"]:
            disable_encryption()
        if not command["committed"]:
            disable_commitments()
        self._shard = _shard(command)
        self._meter.observe_shard(self._shard)
        self._meter.observe_receipts()
        return self._loopback.listen()

    def join(self, command: Command) -> Command:
        """Starts the stage with its peers."""
        assert self._shard is not None
        peers = [peer_from_json(peer) for peer in command["peers"]]
        self._path = [peer.shard_id for peer in peers]
        directory = FixedDirectory(peers)
        links = CountedLinks(self._loopback.links(directory), self._meter)
        wiring: dict[str, Any] = {
            "shard": self._shard,
            "identity": self._loopback.identity(ShardId(command["shardId"])),
            "links": links,
            "directory": directory,
        }
        self._stage = (
            Entry(tokenizer=LetterTokenizer(), settings=LOOPBACK_SETTINGS, **wiring)
            if self._shard.is_entry
            else Stage(guard=AnyRequest(), **wiring)
        )
        self._stage.start()
        return {}

    def ask(self, command: Command) -> Command:
        """Answers all prompts concurrently, one thread each, as an entry answers requests."""
        prompts, new_tokens = command["prompts"], command["newTokens"]
        with ThreadPoolExecutor(len(prompts)) as threads:
            began = time.monotonic()
            times = list(threads.map(lambda each: self._answer(each, new_tokens), prompts))
        return {"began": began, "tokenTimes": times, "ended": time.monotonic()}

    def report(self, _command: Command) -> Command:
        """The measurements since the last report."""
        return self._meter.collect()

    def _answer(self, prompt: list[int], new_tokens: int) -> list[float]:
        assert isinstance(self._stage, Entry)
        times: list[float] = []
        job = GenerationJob(
            token_ids=prompt,
            sampling=Sampling(max_tokens=new_tokens),
            choose_path=fixed_path(self._path),
            request_id=RequestId(1),
            salt_of=[secrets.token_bytes(32) for _ in range(len(self._path) + 1)].__getitem__,
            on_text=lambda piece: times.extend([time.monotonic()] * len(piece)),
        )
        generation = self._stage.generate(job)
        if not len(generation.token_ids) == len(times) == new_tokens:
            raise AnswerIncomplete("the ring", new_tokens, len(times))
        return times


def _shard(command: Command) -> Shard:
    with torch.device(command["device"]):
        shard = load_shard(
            open_model(command["model"]),
            LayerRange(*command["layers"]),
            is_entry=command["isEntry"],
            dtype=DTYPES[command["precision"]],
            threads=torch.get_num_threads(),
        )
    if command["device"] != "cpu":
        compute_on(shard, command["device"])
    return shard


if __name__ == "__main__":
    serve(MeasuredStage())
