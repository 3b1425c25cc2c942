# SPDX-License-Identifier: Apache-2.0
"""Compares a model with transformers part by part: tokens, template output, end tokens, logits.

Equal answers to a few prompts do not show which part is wrong when they differ, nor that a part is
right when they do not. transformers runs in a process of its own.
"""

import contextlib
from base64 import b64decode
from collections.abc import Sequence

import torch

from shard_runtime.errors import ChatTemplateInvalid
from shard_runtime.model_files.source import ModelSource, load_tokenizer
from shard_runtime.model_files.tokenizer.sample_text import sample_lines
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from shard_tools.check import reference
from shard_tools.check.parts import EndTokenPart, LogitPart, Parts, TextPart
from shard_tools.check.processes import WorkerProcess, start_worker
from shard_tools.errors import CheckFailed


def compare_parts(
    source: ModelSource, prompts: Sequence[tuple[int, ...]], lines: Sequence[str]
) -> Parts:
    """Compares every part.

    prompts: token ids, for the logits. lines: the prompts that are text, for tokens and template.
    Raises `CheckFailed`, and the errors of reading the tokenizer.
    """
    if not reference.is_installed():
        raise CheckFailed("the comparison", "transformers is not installed")
    tokenizer = load_tokenizer(source)
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(start_worker("transformers", "reference"))
        theirs.send(do="load", model=str(source.path))
        own = stack.enter_context(start_worker("the unsplit model", "stage"))
        whole = [0, source.architecture.layer_count]
        own.send(do="load", model=str(source.path), layers=whole, isEntry=True)
        theirs.receive()
        own.receive()
        return Parts(
            tokens=_compare_tokens(tokenizer, theirs, lines),
            template=_compare_template(tokenizer, theirs, lines),
            end_tokens=_compare_end_tokens(tokenizer, theirs),
            logits=_compare_logits(own, theirs, prompts),
        )


def _compare_tokens(
    tokenizer: ModelTokenizer, theirs: WorkerProcess, lines: Sequence[str]
) -> TextPart:
    """Over the sample text and the prompts."""
    if not tokenizer.reads_text:
        return TextPart(compared=0, different=())
    texts = [*sample_lines(), *lines]
    expected = theirs.ask(do="encode", texts=texts)["tokenIds"]
    found = tokenizer.encode_lines(texts)
    return TextPart.of([list(each) for each in found], expected)


def _compare_template(
    tokenizer: ModelTokenizer, theirs: WorkerProcess, lines: Sequence[str]
) -> TextPart:
    if not (tokenizer.reads_text and tokenizer.has_chat_template):
        return TextPart(compared=0, different=())
    expected = theirs.ask(do="render", texts=list(lines))["rendered"]
    return TextPart.of([_render(tokenizer, each) for each in lines], expected)


def _render(tokenizer: ModelTokenizer, line: str) -> str | None:
    try:
        return tokenizer.render_messages([{"role": "user", "content": line}])
    except ChatTemplateInvalid:
        return None


def _compare_end_tokens(tokenizer: ModelTokenizer, theirs: WorkerProcess) -> EndTokenPart:
    expected = theirs.ask(do="report_end_tokens")["tokenIds"]
    return EndTokenPart(found=tokenizer.eos_token_ids, expected=frozenset(expected))


def _compare_logits(
    own: WorkerProcess, theirs: WorkerProcess, prompts: Sequence[tuple[int, ...]]
) -> LogitPart:
    """Of the token after each prompt."""
    difference = largest = 0.0
    for prompt in prompts:
        for worker in (own, theirs):
            worker.send(do="score", tokenIds=prompt)
        found, expected = (_logits(worker.receive()["logits"]) for worker in (own, theirs))
        difference = max(difference, float((found - expected).abs().max()))
        largest = max(largest, float(expected.abs().max()))
    return LogitPart(compared=len(prompts), largest_difference=difference, largest_logit=largest)


def _logits(encoded: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(b64decode(encoded)), dtype=torch.float32)
