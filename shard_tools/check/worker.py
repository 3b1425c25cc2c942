# SPDX-License-Identifier: Apache-2.0
"""A process started by `check`: one stage of a ring, or the unsplit model. Commands and replies are
lines of JSON.

Keys are created here and stay here. Only replies go to standard output.
"""

import json
import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

import torch

from shard_runtime.backends.loading import Backend, load_shard
from shard_runtime.backends.shard import Shard, Span
from shard_runtime.engine.entry.entry import Entry
from shard_runtime.engine.entry.job import GenerationJob
from shard_runtime.engine.entry.path_search import fixed_path
from shard_runtime.engine.stage.request_guard import AnyRequest
from shard_runtime.engine.stage.stage import Stage
from shard_runtime.links.peers import FixedDirectory
from shard_runtime.model_files.source import ModelSource, load_tokenizer, open_model
from shard_tools.check import reference
from shard_tools.check.loopback import LOOPBACK_SETTINGS, LoopbackStage, peer_from_json
from shard_tools.check.memory import peak_bytes
from teetee.errors import TeeTeeError
from teetee.protocol.identifiers import RequestId, ShardId
from teetee.protocol.json import shallow as shallow_json
from teetee.protocol.layers import LayerRange
from teetee.protocol.prompt import Sampling

Command = dict[str, Any]
SCORED_ROWS = 64


class StageWorker:
    """One stage. Commands: `load`, `join`, then (for an entry) `ask`."""

    def __init__(self) -> None:
        self._loopback = LoopbackStage()
        self._source: ModelSource | None = None
        self._shard: Shard | None = None
        self._stage: Entry | Stage | None = None

    def load(self, command: Command) -> Command:
        """Loads the shard and starts to listen."""
        self._source = open_model(command["model"])
        self._shard = load_shard(
            self._source,
            LayerRange(*command["layers"]),
            is_entry=command["isEntry"],
            dtype=command.get("dtype", "float32"),
            backend=Backend(command.get("backend", Backend.AUTO.value)),
        )
        return self._loopback.listen()

    def join(self, command: Command) -> Command:
        """Starts the stage with its peers."""
        assert self._shard is not None
        assert self._source is not None
        directory = FixedDirectory(peer_from_json(peer) for peer in command["peers"])
        links = self._loopback.links(directory)
        identity = self._loopback.identity(ShardId(command["shardId"]))
        if self._shard.is_entry:
            self._stage = Entry(
                shard=self._shard,
                tokenizer=load_tokenizer(self._source),
                identity=identity,
                links=links,
                directory=directory,
                settings=LOOPBACK_SETTINGS,
            )
        else:
            self._stage = Stage(
                shard=self._shard,
                identity=identity,
                links=links,
                directory=directory,
                guard=AnyRequest(),
            )
        self._stage.start()
        return {}

    def ask(self, command: Command) -> Command:
        """Answers all prompts concurrently, one thread each, as an entry answers requests."""
        prompts = command["prompts"]
        with ThreadPoolExecutor(len(prompts)) as threads:
            answers = list(threads.map(lambda each: self._answer(command, each), prompts))
        return {"answers": answers}

    def score(self, command: Command) -> Command:
        """The logits of the token after a prompt, by the whole model in one stage."""
        assert self._shard is not None
        token_ids = tuple(command["tokenIds"])
        pool = self._shard.cache_pool(0)
        cache = pool.create_cache(len(token_ids))
        for first in range(0, len(token_ids), SCORED_ROWS):
            rows = token_ids[first : first + SCORED_ROWS]
            span = Span(cache, first, len(rows))
            hidden = self._shard.forward(self._shard.embed(rows), [span])
        return {"logits": _encode_floats(self._shard.logits(hidden[-1:])[0])}

    def report_peak(self, _command: Command) -> Command:
        """Does nothing; every reply reports the peak memory."""
        return {}

    def _answer(self, command: Command, prompt: Command) -> Command:
        assert isinstance(self._stage, Entry)
        job = GenerationJob(
            token_ids=prompt["tokenIds"],
            sampling=Sampling(max_tokens=command["maxTokens"]),
            choose_path=fixed_path(command["path"]),
            request_id=RequestId(prompt["requestId"]),
            salt_of=lambda _: secrets.token_bytes(32),
        )
        generation = self._stage.generate(job)
        return {
            "tokenIds": generation.token_ids,
            "finishReason": generation.finish_reason,
            "receipts": [receipt.to_json() for receipt in generation.receipts],
        }


class ReferenceWorker:
    """The unsplit model by transformers. Commands: `load`, then the others."""

    def __init__(self) -> None:
        self._source: ModelSource | None = None
        self._model: Any = None
        self._tokenizer: Any = None

    def load(self, command: Command) -> Command:
        """Loads the whole model."""
        self._source = open_model(command["model"])
        self._model = reference.load_reference(self._source)
        return {}

    def encode(self, command: Command) -> Command:
        """The token ids of texts, without special tokens around them."""
        encode = self._load_tokenizer()
        return {
            "tokenIds": [
                encode(text, add_special_tokens=False)["input_ids"] for text in command["texts"]
            ]
        }

    def render(self, command: Command) -> Command:
        """What the chat template makes of texts; None where it fails."""
        tokenizer = self._load_tokenizer()
        return {"rendered": [reference.render(tokenizer, text) for text in command["texts"]]}

    def report_end_tokens(self, _command: Command) -> Command:
        """The tokens at which `generate` ends an answer."""
        return {"tokenIds": sorted(reference.end_tokens(self._model))}

    def score(self, command: Command) -> Command:
        """The logits of the token after a prompt."""
        return {"logits": _encode_floats(reference.next_logits(self._model, command["tokenIds"]))}

    def ask(self, command: Command) -> Command:
        """Answers one prompt."""
        token_ids = reference.greedy(
            self._model, command["tokenIds"], command["maxTokens"], command["eosTokenIds"]
        )
        return {"tokenIds": token_ids}

    def _load_tokenizer(self) -> Any:
        assert self._source is not None
        if self._tokenizer is None:
            self._tokenizer = reference.load_reference_tokenizer(self._source)
        return self._tokenizer


def _encode_floats(values: torch.Tensor) -> str:
    return b64encode(values.float().contiguous().numpy().tobytes()).decode()


def serve(worker: StageWorker | ReferenceWorker, commands: TextIO, replies: TextIO) -> None:
    """Answers commands until they end. Every reply has the peak memory so far."""
    for line in commands:
        command = shallow_json.load(line.encode())
        run: Callable[[Command], Command] = getattr(worker, command["do"])
        try:
            reply = run(command)
        except TeeTeeError as error:
            reply = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - process boundary; the message may hold content
            reply = {"error": f"an unexpected {type(error).__name__}"}
        replies.write(json.dumps({**reply, "peakBytes": peak_bytes()}) + "\n")
        replies.flush()


def main() -> None:
    """Serves the role named on the command line."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print
    worker = ReferenceWorker() if sys.argv[1:] == ["reference"] else StageWorker()
    serve(worker, sys.stdin, replies)


if __name__ == "__main__":
    main()
