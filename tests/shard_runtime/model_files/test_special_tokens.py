# SPDX-License-Identifier: Apache-2.0
"""Special tokens, wherever a folder's files name them, and what a chat template makes of them. The
expected values are computed by transformers.

given tokens that stand in tokenizer_config.json, added_tokens.json or special_tokens_map.json alone
    each should be one token, with the id that transformers gives it
given a saved truncation or padding
    it should be ignored
given a template that prints special tokens by name, or marks the model's turns
    it should be rendered as transformers renders it
given a field that is neither honoured nor known to be harmless
    it should be refused by name
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from shard_runtime import ModelTokenizer, build_manifest, load_tokenizer, open_model
from shard_runtime.errors import ChatTemplateInvalid, TokenizerInvalid, TokenizerUnsupported
from shard_runtime.model_files.tokenizer.sample_text import sample_lines
from tests.shard_runtime.byte_tokenizer import BEGIN, END, byte_tokenizer, write_tokenizer
from tests.shard_runtime.tiny_models import save

CHAT = [{"role": "user", "content": "the the <x> 1  2"}]
MESSAGES = [
    {"role": "system", "content": "Be  brief.\n"},
    {"role": "user", "content": "the duck 🦆"},
    {"role": "assistant", "content": "<|think|>quack"},
    {"role": "user", "content": "<tool> 12</s><pad>"},
]
PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
CLASS = {"tokenizer_class": "PreTrainedTokenizerFast"}
COUNT = byte_tokenizer().get_vocab_size()


def token(content: str, **flags: bool) -> dict[str, Any]:
    return {
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    } | flags


def typed(content: str, **flags: bool) -> dict[str, Any]:
    return {"__type": "AddedToken"} | token(content, **flags)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save("llama", tmp_path)
    write_tokenizer(tmp_path, PLAIN, eos_token=END, **CLASS)
    return tmp_path


def configure(folder: Path, **changes: Any) -> None:
    """Change fields of tokenizer_config.json; None leaves one out."""
    path = folder / "tokenizer_config.json"
    fields = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in fields.items() if value != ...}))


def write(folder: Path, name: str, value: Any) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value)
    (folder / name).write_text(text, encoding="utf-8")


def assert_same(folder: Path) -> ModelTokenizer:
    """Everything that a request needs is as transformers has it."""
    theirs: Any = AutoTokenizer.from_pretrained(folder)
    found = load_tokenizer(open_model(folder))
    for chat in (CHAT, MESSAGES):
        rendered = theirs.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        assert found.render_messages(chat) == rendered
        ids = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
        # What a message says never becomes a special token here, unlike in transformers.
        assert found.encode_lines([rendered])[0] == tuple(ids["input_ids"])
        assert found.encode_text(rendered) == tuple(theirs(rendered)["input_ids"])
        back = found.encode_messages(chat)
        assert found.decode(back) == theirs.decode(list(back), skip_special_tokens=True)
    return found


def listed(*tokens: dict[str, Any], first: int = COUNT) -> dict[str, Any]:
    return {str(first + index): each for index, each in enumerate(tokens)}


FILES: dict[str, Callable[[Path], None]] = {
    "added_tokens_decoder": lambda folder: configure(
        folder, added_tokens_decoder=listed(token("<tool>"), token("<|think|>", special=False))
    ),
    "added_tokens_decoder with flags": lambda folder: configure(
        folder,
        added_tokens_decoder=listed(token("<tool>", lstrip=True, rstrip=True), token("the duck")),
    ),
    "added_tokens_decoder that calls a special token plain": lambda folder: configure(
        folder, added_tokens_decoder=listed(token(END, special=False), first=COUNT - 1)
    ),
    "added_tokens_decoder with those of tokenizer.json": lambda folder: configure(
        folder,
        added_tokens_decoder=listed(token(BEGIN), token(END), token("<tool>"), first=COUNT - 2),
    ),
    "extra_special_tokens": lambda folder: configure(
        folder, extra_special_tokens=["<tool>", "<|think|>", "<tool>", BEGIN]
    ),
    "extra_special_tokens by name": lambda folder: configure(
        folder,
        extra_special_tokens={"tool_token": "<tool>"},
        chat_template=PLAIN + "{{ tool_token }}",
    ),
    "additional_special_tokens": lambda folder: configure(
        folder, additional_special_tokens=["<|think|>", "<tool>"]
    ),
    "additional_special_tokens as objects": lambda folder: configure(
        folder, additional_special_tokens=[typed("<tool>", rstrip=True)]
    ),
    "another named token": lambda folder: configure(
        folder, image_token="<tool>", chat_template=PLAIN + "{{ image_token }}"
    ),
    "pad and unk": lambda folder: configure(folder, pad_token="<pad>", unk_token="</s>"),
    "pad as an object": lambda folder: configure(folder, pad_token=typed("<pad>", lstrip=True)),
    "added_tokens.json": lambda folder: write(
        folder, "added_tokens.json", {"<tool>": COUNT, "<|think|>": COUNT + 1}
    ),
    "added_tokens.json out of order": lambda folder: write(
        folder, "added_tokens.json", {"<|think|>": COUNT + 1, "<tool>": COUNT}
    ),
    "special_tokens_map.json": lambda folder: write(
        folder,
        "special_tokens_map.json",
        {"additional_special_tokens": ["<tool>"], "pad_token": token("<pad>"), "unk_token": "</s>"},
    ),
    "special_tokens_map.json over tokenizer_config.json": lambda folder: (
        write(folder, "special_tokens_map.json", {"eos_token": "<tool>"}),
        configure(folder, chat_template=PLAIN + "{{ eos_token }}"),
    )[0],
    "both older files": lambda folder: (
        write(folder, "special_tokens_map.json", {"additional_special_tokens": ["<tool>"]}),
        write(folder, "added_tokens.json", {"<tool>": COUNT}),
    )[0],
    "older files beside added_tokens_decoder": lambda folder: (
        write(folder, "special_tokens_map.json", {"pad_token": "<pad>"}),
        write(folder, "added_tokens.json", {"<|think|>": COUNT}),
        configure(folder, added_tokens_decoder=listed(token("<tool>"))),
    )[0],
    "model_specific_special_tokens": lambda folder: configure(
        folder,
        model_specific_special_tokens={"tool_token": "<tool>"},
        chat_template=PLAIN + "{{ tool_token }}",
    ),
}


@pytest.mark.parametrize("change", FILES.values(), ids=FILES.keys())
def test_encode__tokens_in_other_files__are_those_of_transformers(
    folder: Path, change: Callable[[Path], None]
) -> None:
    change(folder)
    assert_same(folder)


def test_encode__token_in_tokenizer_config_alone__is_one_token(folder: Path) -> None:
    plain = load_tokenizer(open_model(folder)).encode_lines(["<tool>"])[0]
    assert len(plain) > 1
    configure(folder, added_tokens_decoder=listed(token("<tool>")))
    assert load_tokenizer(open_model(folder)).encode_lines(["<tool>"]) == [(COUNT,)]


def test_load_tokenizer__listed_id_that_the_token_cannot_have__is_refused(folder: Path) -> None:
    configure(folder, added_tokens_decoder=listed(token("<tool>"), first=COUNT + 40))
    with pytest.raises(TokenizerInvalid, match=f"'<tool>' is listed with id {COUNT + 40}"):
        load_tokenizer(open_model(folder))


TRUNCATION = {"max_length": 8, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}
PADDING = {
    "strategy": {"Fixed": 64},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": END,
}


@pytest.mark.parametrize(
    "saved",
    [
        {"truncation": TRUNCATION},
        {"truncation": TRUNCATION | {"direction": "Left", "stride": 2}},
        {"padding": PADDING},
        {"padding": PADDING | {"strategy": "BatchLongest", "pad_to_multiple_of": 16}},
        {"truncation": TRUNCATION, "padding": PADDING},
    ],
    ids=["truncation", "from the left", "padding", "to a multiple", "both"],
)
def test_encode__saved_truncation_or_padding__is_ignored(
    folder: Path, saved: dict[str, Any]
) -> None:
    before = load_tokenizer(open_model(folder)).encode_messages(CHAT)
    digest = build_manifest(open_model(folder)).embedding_digest
    definition = json.loads((folder / "tokenizer.json").read_text()) | saved
    write(folder, "tokenizer.json", definition)
    assert assert_same(folder).encode_messages(CHAT) == before
    assert build_manifest(open_model(folder)).embedding_digest == digest
    assert len(before) > 8


# -- what templates print ----------------------------------------------------------------------

NAMES = "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token }}|{{ sep_token }}"
NAMES += "|{{ cls_token }}|{{ mask_token }}|{{ image_token }}|{{ nothing_token }}"


@pytest.mark.parametrize(
    ("generation", "model", "named"),
    [
        ({"eos_token_id": [0, 3]}, {}, {"eos_token": END}),
        ({"bos_token_id": 5, "eos_token_id": 6}, {}, {"bos_token": None, "eos_token": END}),
        ({}, {"bos_token_id": 5, "eos_token_id": 6}, {"bos_token": None, "eos_token": None}),
        ({}, {"bos_token_id": 5}, {"bos_token": ..., "eos_token": ...}),
        ({}, {}, {"pad_token": END, "unk_token": BEGIN}),
        ({}, {}, {"pad_token": "<pad>", "mask_token": typed("<mask>")}),
        ({}, {}, {"sep_token": BEGIN, "cls_token": END, "image_token": "<img>"}),
        ({}, {}, {"extra_special_tokens": {"image_token": "<img>"}}),
        ({}, {}, {"pad_token": None, "unk_token": None}),
        ({}, {}, {"bos_token": "", "eos_token": "", "pad_token": ""}),
    ],
    ids=[
        "several in generation_config",
        "bos in generation_config, null in the tokenizer's",
        "ids in config.json, null in the tokenizer's",
        "bos in config.json, absent in the tokenizer's",
        "pad and unk",
        "new tokens",
        "others",
        "by extra name",
        "null",
        "empty",
    ],
)
def test_render__special_tokens__are_those_of_the_tokenizer_s_files(
    folder: Path, generation: dict[str, Any], model: dict[str, Any], named: dict[str, Any]
) -> None:
    write(folder, "generation_config.json", generation)
    config = json.loads((folder / "config.json").read_text())
    write(folder, "config.json", config | {"bos_token_id": None, "eos_token_id": None} | model)
    configure(folder, chat_template=NAMES, **named)
    assert_same(folder)


TEMPLATES = {
    "generation block": "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "generation block that trims": "{%- for m in messages -%}\n  {%- generation -%}\n"
    "  {{ m.content }}\n  {%- endgeneration -%}\n{%- endfor -%}",
    "generation block is a scope": "{% set x = 'a' %}{% generation %}{% set x = 'b' %}{{ x }}"
    "{% endgeneration %}{{ x }}",
    "namespace": "{% set ns = namespace(x=1) %}{% for m in messages %}{% set ns.x = ns.x + 1 %}"
    "{% endfor %}{{ ns.x }}",
    "dict": "{% set d = dict(a=1) %}{{ d | tojson }}",
    "tojson": "{{ messages | tojson }}",
    "tojson with arguments": "{{ messages | tojson(true, 2) }}",
    "tojson sorted": "{{ messages[0] | tojson(sort_keys=true, separators=(',', ':')) }}",
    "blocks": "\n{% for m in messages %}\n  {% if true %}\n x {{ m.content }}\n  {% endif %}\n"
    "{% endfor %}\n",
    "break": "{% for m in messages %}{{ m.content }}{% break %}{% endfor %}",
    "macro": "{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(messages[0].content) }}",
    "add_generation_prompt": "{% if add_generation_prompt %}yes{% else %}no{% endif %}",
    "tools and documents": "{{ tools is none }}{{ documents is none }}{{ tools is defined }}",
    "undefined": "[{{ pad_token }}{{ surprise }}]",
    "strings": "{{ messages[0].content.strip() }}{{ messages[0]['content'].split(' ') | length }}"
    "{{ messages[-1].role.upper() | trim }}",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_render__template__is_what_transformers_renders(folder: Path, template: str) -> None:
    configure(folder, chat_template=template)
    assert_same(folder)


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template.jinja": "beside: {{ messages[0].content }}\r\n x"},
        {
            "chat_template.jinja": "beside",
            "additional_chat_templates/tool_use.jinja": "other",
        },
        {"chat_template.json": {"chat_template": "of a processor"}},
    ],
    ids=["beside", "beside others", "of a processor"],
)
def test_render__template_in_another_file__is_the_one_of_transformers(
    folder: Path, files: dict[str, Any]
) -> None:
    for name, content in files.items():
        write(folder, name, content)
    assert_same(folder)


@pytest.mark.parametrize(
    "template",
    [
        {"default": PLAIN, "tool_use": "other"},
        [{"name": "tool_use", "template": "other"}, {"name": "default", "template": PLAIN}],
    ],
    ids=["object", "list"],
)
def test_render__several_templates__takes_the_default(folder: Path, template: Any) -> None:
    configure(folder, chat_template=template)
    assert_same(folder)


@pytest.mark.parametrize(
    "template",
    ["{% set ns = namespace() %}{% set ns._x = 1 %}", "{{ namespace(_x=1) }}"],
    ids=["set", "made"],
)
def test_render__underscore_in_a_namespace__fails_as_in_transformers(
    folder: Path, template: str
) -> None:
    configure(folder, chat_template=template)
    with pytest.raises(ChatTemplateInvalid):
        load_tokenizer(open_model(folder)).render_messages(CHAT)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda f: configure(f, chat_template={"tool_use": "x"}), "no default"),
        (lambda f: configure(f, chat_template=[{"name": "rag", "template": "x"}]), "no default"),
        (lambda f: configure(f, chat_template=5), "chat_template is 5"),
        (lambda f: write(f, "additional_chat_templates/rag.jinja", "x"), "chat_template.jinja is"),
    ],
    ids=["object without default", "list without default", "number", "others only"],
)
def test_load_tokenizer__no_default_template__is_refused_by_name(
    folder: Path, change: Callable[[Path], None], what: str
) -> None:
    change(folder)
    with pytest.raises(TokenizerUnsupported, match=what):
        load_tokenizer(open_model(folder))


# -- fields ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("split_special_tokens", True),
        ("add_prefix_space", True),
        ("fast_tokenizer_files", ["tokenizer.4.0.json"]),
        ("fix_mistral_regex", True),
        ("init_inputs", ["x"]),
        ("do_lower_case", True),
        ("auto_map", {"AutoTokenizer": ["a.B", None]}),
        ("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", True),
        ("normalizer", {"type": "NFC"}),
        ("continuing_subword_prefix", "##"),
        ("eos_token_id", "7"),
        ("surprise", 1),
        ("surprise_token", 7),
        ("surprise_token", True),
    ],
)
def test_load_tokenizer__field_that_is_not_understood__is_refused_by_name(
    folder: Path, field: str, value: Any
) -> None:
    configure(folder, **{field: value})
    for read in (load_tokenizer, build_manifest):
        with pytest.raises(TokenizerInvalid, match=field) as raised:
            read(open_model(folder))
        assert "Put the model's own tokenizer.json" not in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_max_length", 8),
        ("padding_side", "left"),
        ("truncation_side", "left"),
        ("clean_up_tokenization_spaces", True),
        ("split_special_tokens", False),
        ("add_prefix_space", False),
        ("add_bos_token", True),
        ("add_eos_token", True),
        ("legacy", False),
        ("spaces_between_special_tokens", False),
        ("model_input_names", ["input_ids"]),
        ("use_default_system_prompt", False),
        ("sp_model_kwargs", {}),
        ("vocab_size", 1),
        ("max_length", 4),
        ("stride", 1),
        ("truncation_strategy", "longest_first"),
        ("pad_to_multiple_of", 8),
        ("errors", "replace"),
        ("bos_token_id", 5),
        ("eos_token_id", [1, 2]),
        ("unk_token_id", None),
        ("bos_id", 7),
        ("additional_special_tokens_ids", [3]),
        ("default_chat_template", None),
        ("normalizer", None),
        ("post_processor", None),
        ("end_of_word_suffix", ""),
        ("continuing_subword_prefix", ""),
        ("trim_offsets", True),
        ("tokenizer_type", "llama"),
        ("from_slow", True),
        ("_name_or_path", "x"),
        ("model_type", "llama"),
        ("language", "en"),
        ("max_len_single_sentence", 4),
        ("max_len_sentences_pair", 4),
        ("is_fast", True),
        ("suffix_first", False),
        ("chat_template_kwargs", {}),
    ],
)
def test_load_tokenizer__field_without_effect__changes_nothing(
    folder: Path, field: str, value: Any
) -> None:
    before = load_tokenizer(open_model(folder)).encode_lines(sample_lines()[:50])
    configure(folder, **{field: value})
    assert assert_same(folder).encode_lines(sample_lines()[:50]) == before
