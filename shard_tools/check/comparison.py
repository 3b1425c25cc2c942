# SPDX-License-Identifier: Apache-2.0
"""Runs a check: sends the same prompts to N stages and the unsplit model, compares the tokens."""

import contextlib
import time
from collections.abc import Collection, Sequence

from shard_runtime.model_files.source import ModelSource, load_tokenizer, open_model
from shard_runtime.model_files.split import split_layers
from shard_tools.check import reference
from shard_tools.check.memory import bare_bytes
from shard_tools.check.processes import WorkerProcess, start_worker
from shard_tools.check.prompts import PromptForm, encode_prompts, first_difference, text_lines
from shard_tools.check.report import CheckReport, PromptResult, StageMemory
from shard_tools.check.ring import RingAnswer, run_ring
from shard_tools.check.transformers_comparison import compare_parts
from shard_tools.prepare import with_tokenizer
from teetee.protocol.layers import LayerRange

Tokens = tuple[int, ...]


def run_check(
    model: str,
    *,
    stages: int,
    prompts: str,
    max_tokens: int,
    form: PromptForm,
    against_transformers: bool = False,
) -> CheckReport:
    """Checks a model; against_transformers: also tokens, template, end tokens and logits.

    Raises the errors of opening, encoding and splitting, `CheckFailed`, `StageMisbehaved`.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        source = with_tokenizer(open_model(model), stack)
        layers = split_layers(source.architecture, stages)
        tokenizer = load_tokenizer(source)
        token_ids = encode_prompts(prompts, tokenizer, form)
        worker = _start_reference(source, token_ids, max_tokens, tokenizer.eos_token_ids, stack)
        unsplit = run_ring(source, split_layers(source.architecture, 1), token_ids, max_tokens)
        ring = unsplit if stages == 1 else run_ring(source, layers, token_ids, max_tokens)
        expected = [answer.token_ids for answer in unsplit.answers]
        expected = expected if worker is None else _receive_reference(worker, len(token_ids))
        lines = text_lines(prompts)
        parts = compare_parts(source, token_ids, lines) if against_transformers else None
    bare = bare_bytes()
    compared = zip(token_ids, ring.answers, unsplit.answers, expected, strict=True)
    return CheckReport(
        model=source.name,
        max_tokens=max_tokens,
        reference=reference.name() if worker else "shard_runtime in one process",
        prompts=tuple(_prompt_result(line, *each) for line, each in enumerate(compared, start=1)),
        stages=_stage_memory(layers, ring.peak_bytes, bare),
        bare_bytes=bare,
        unsplit_bytes=unsplit.peak_bytes[0] - bare,
        reference_bytes=worker.peak_bytes - bare if worker else None,
        seconds=time.monotonic() - began,
        parts=parts,
    )


def _stage_memory(
    layers: Sequence[LayerRange], peaks: Sequence[int], bare: int
) -> tuple[StageMemory, ...]:
    return tuple(StageMemory(each, peak - bare) for each, peak in zip(layers, peaks, strict=True))


def _start_reference(
    source: ModelSource,
    prompts: Sequence[Tokens],
    max_tokens: int,
    eos_token_ids: Collection[int],
    stack: contextlib.ExitStack,
) -> WorkerProcess | None:
    """Starts transformers first: it takes longest and works while the rings run."""
    if not reference.is_installed():
        return None
    worker = stack.enter_context(start_worker("the unsplit model", "reference"))
    worker.send(do="load", model=str(source.path))
    ends = sorted(eos_token_ids)
    for prompt in prompts:
        worker.send(do="ask", tokenIds=prompt, maxTokens=max_tokens, eosTokenIds=ends)
    return worker


def _receive_reference(worker: WorkerProcess, count: int) -> list[Tokens]:
    worker.receive()
    return [tuple(worker.receive()["tokenIds"]) for _ in range(count)]


def _prompt_result(
    line: int, prompt: Tokens, split: RingAnswer, unsplit: RingAnswer, expected: Tokens
) -> PromptResult:
    return PromptResult(
        line=line,
        input_tokens=len(prompt),
        output_tokens=len(split.token_ids),
        reference_tokens=len(expected),
        first_difference=first_difference(split.token_ids, expected),
        first_difference_unsplit=first_difference(split.token_ids, unsplit.token_ids),
        finish_reason=split.finish_reason,
        receipts=split.receipts,
    )
