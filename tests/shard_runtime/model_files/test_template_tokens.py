# SPDX-License-Identifier: Apache-2.0
"""What a chat template adds to a prompt, measured; the tokens of a prompt by transformers.

given a model with a chat template
    when it has a system message of its own, long or short, or none
        the measured numbers should bound what transformers' template and tokenizer make of a prompt
        and exceed it by little more than the bytes that are no tokens of their own
    when it refuses system messages, or answers in between
        they should be measured from what it accepts
given a model without tokenizer or template, or with one that refuses every question
    nothing should be known
"""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from shard_runtime import build_manifest, load_tokenizer, measure_template, open_model
from teetee.protocol.manifest import ModelManifest
from teetee.protocol.prompt import Message, TemplateTokens
from tests.shard_runtime.byte_tokenizer import BEGIN, END, byte_tokenizer, write_tokenizer
from tests.shard_runtime.tiny_models import save

TURNS = (
    "{% for m in messages %}" + BEGIN + "{{ m.role }}\n{{ m.content }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}" + BEGIN + "assistant\n{% endif %}"
)


def with_default(system: str) -> str:
    """A template that puts a system message before a conversation that has none."""
    before = f"{BEGIN}system\n{system}{END}"
    return "{% if messages[0].role != 'system' %}" + before + "{% endif %}" + TURNS


NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}" + TURNS
ONE_QUESTION = "{% if messages | length > 2 %}{{ raise_exception('one') }}{% endif %}" + TURNS
DATED = with_default("Today is {{ strftime_now('%d %B %Y') }}. " + "Be kind. " * 70)
TEMPLATES = {
    "none of its own": TURNS,
    "a short one": with_default("You are helpful."),
    "251 tokens": with_default("word " * 50 + "!"),
    "600 tokens, with the date": DATED,
    "3000 tokens": with_default("w" * 3000),
    "refuses system messages": NO_SYSTEM,
    "takes one question": ONE_QUESTION,
}
PROMPTS = [
    [Message("user", "Why?")],
    [Message("user", "Why? 🦆 über\n\n\t2024 " * 20)],
    [Message("system", "Be short."), Message("user", "Why?")],
    [Message("system", "é" * 100), Message("user", "x" * 500)],
]


def saved(folder: Path, template: str) -> Path:
    save("llama", folder)
    write_tokenizer(folder, template)
    return folder


def reference_length(template: str, prompt: list[Message]) -> int:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer())
    messages = [{"role": message.role, "content": message.content} for message in prompt]
    text = tokenizer.apply_chat_template(
        messages, chat_template=template, add_generation_prompt=True, tokenize=False
    )
    return len(byte_tokenizer().encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("prompt", PROMPTS, ids=["short", "long", "system", "long system"])
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_measure_template__any_prompt__bounds_its_tokens(
    tmp_path: Path, template: str, prompt: list[Message]
) -> None:
    measured = measure_template(load_tokenizer(open_model(saved(tmp_path, template))))
    assert measured is not None
    if template is NO_SYSTEM and prompt[0].role == "system":
        return  # transformers refuses it too
    size = sum(len(message.content.encode()) for message in prompt)
    tokens = reference_length(template, prompt)
    bound = size + measured.added_to(prompt)
    assert tokens <= bound
    content = sum(
        len(byte_tokenizer().encode(each.content, add_special_tokens=False).ids) for each in prompt
    )
    assert bound - tokens <= size - content + 16


@pytest.mark.parametrize(
    "template",
    ["{{ raise_exception('never') }}", "{{ messages[9].content.x }}"],
    ids=["refuses", "fails"],
)
def test_measure_template__that_takes_no_question__is_none(tmp_path: Path, template: str) -> None:
    assert measure_template(load_tokenizer(open_model(saved(tmp_path, template)))) is None


def test_measure_template__no_tokenizer__is_none(tmp_path: Path) -> None:
    save("llama", tmp_path)
    assert measure_template(load_tokenizer(open_model(tmp_path))) is None


def test_build_manifest__chat_template__has_what_it_adds(tmp_path: Path) -> None:
    source = open_model(saved(tmp_path, TEMPLATES["251 tokens"]))
    manifest = build_manifest(source)
    assert manifest.template_tokens == measure_template(load_tokenizer(source))
    assert manifest.template_tokens is not None
    assert manifest.template_tokens.alone > 251
    assert ModelManifest.from_json(manifest.to_json()) == manifest


def test_added_to__system_message_first__counts_it() -> None:
    template = TemplateTokens(alone=600, with_system=4, per_message=3)
    assert template.added_to(PROMPTS[0]) == 603
    assert template.added_to(PROMPTS[2]) == 10
