# SPDX-License-Identifier: Apache-2.0
"""The check itself: N stages and the unsplit model, asked the same, compared token by token."""

import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from shard_runtime.model_files.gguf.prepare import needs_tokenizer, prepare
from shard_runtime.model_files.source import ModelSource, open_model
from shard_runtime.model_files.split import split_layers
from shard_runtime.model_files.tokenizer.tokenizer import load_tokenizer
from shard_tools.check import reference
from shard_tools.check.memory import bare_bytes
from shard_tools.check.processes import WorkerProcess, started
from shard_tools.check.prompts import Form, encode_prompts, first_difference
from shard_tools.check.report import CheckReport, PromptResult, StageMemory
from shard_tools.check.ring import RingAnswer, run_ring

Tokens = tuple[int, ...]


def run_check(model: str, *, stages: int, prompts: str, max_tokens: int, form: Form) -> CheckReport:
    """Raises the errors of opening, encoding and splitting, `CheckFailed`, `StageMisbehaved`."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        source = _ready_to_serve(open_model(model), stack)
        layers = split_layers(source.architecture, stages)
        tokenizer = load_tokenizer(source)
        token_ids = encode_prompts(prompts, tokenizer, form)
        ends = sorted(tokenizer.eos_token_ids)
        other = _begin_reference(source, token_ids, max_tokens, ends, stack)
        whole = run_ring(source, split_layers(source.architecture, 1), token_ids, max_tokens)
        ring = whole if stages == 1 else run_ring(source, layers, token_ids, max_tokens)
        wanted = [answer.token_ids for answer in whole.answers]
        if other is not None:
            wanted = _finish_reference(other, len(token_ids))
    bare = bare_bytes()
    compared = zip(token_ids, ring.answers, whole.answers, wanted, strict=True)
    return CheckReport(
        model=source.name,
        max_tokens=max_tokens,
        reference=reference.name() if other else "shard_runtime in one process",
        prompts=tuple(_judge(line, *each) for line, each in enumerate(compared, start=1)),
        stages=tuple(
            StageMemory(each, peak - bare)
            for each, peak in zip(layers, ring.peak_bytes, strict=True)
        ),
        bare_bytes=bare,
        unsplit_bytes=whole.peak_bytes[0] - bare,
        reference_bytes=other.peak_bytes - bare if other else None,
        seconds=time.monotonic() - began,
    )


def _ready_to_serve(source: ModelSource, stack: contextlib.ExitStack) -> ModelSource:
    """Give a bare GGUF its tokenizer once, not in each process."""
    if not needs_tokenizer(source):
        return source
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="teetee-check-"))
    return prepare(source, Path(folder), link=os.symlink)


def _begin_reference(
    source: ModelSource,
    prompts: Sequence[Tokens],
    max_tokens: int,
    ends: Sequence[int],
    stack: contextlib.ExitStack,
) -> WorkerProcess | None:
    """Start transformers, which takes longest, and let it work beside the others."""
    if not reference.is_installed():
        return None
    worker = stack.enter_context(started("the unsplit model", "reference"))
    worker.send(do="load", model=str(source.path))
    for prompt in prompts:
        worker.send(do="ask", tokenIds=prompt, maxTokens=max_tokens, ends=ends)
    return worker


def _finish_reference(worker: WorkerProcess, count: int) -> list[Tokens]:
    worker.receive()
    return [tuple(worker.receive()["tokenIds"]) for _ in range(count)]


def _judge(
    line: int, prompt: Tokens, split: RingAnswer, whole: RingAnswer, wanted: Tokens
) -> PromptResult:
    return PromptResult(
        line=line,
        input_tokens=len(prompt),
        output_tokens=len(split.token_ids),
        reference_tokens=len(wanted),
        first_difference=first_difference(split.token_ids, wanted),
        first_difference_unsplit=first_difference(split.token_ids, whole.token_ids),
        finish_reason=split.finish_reason,
        receipts=split.receipts,
    )
