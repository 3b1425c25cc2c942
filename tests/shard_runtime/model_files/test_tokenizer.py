# SPDX-License-Identifier: Apache-2.0
"""Text to token ids and back, and messages through the model's chat template.

given messages
    when the model has a chat template
        it should encode the rendered template, with special tokens
    when the template rejects them, fails, accesses something forbidden, or is missing
        it should raise ChatTemplateInvalid without any text of the messages
given a model without a tokenizer
    it should decode to an empty text, and raise TokenizerMissing for text
given end tokens in several files
    it should find all of them
given the longest prompt that an envelope holds, of the characters that tokenizers like least
    it should be encoded within a second, to no more tokens than it has bytes
"""

import json
import time
from pathlib import Path

import pytest

from shard_runtime import ModelTokenizer, load_tokenizer, open_model
from shard_runtime.errors import ChatTemplateInvalid, TokenizerInvalid, TokenizerMissing
from tests.shard_runtime.byte_tokenizer import BEGIN, END, byte_tokenizer, write_tokenizer
from tests.shard_runtime.tiny_models import save

CANARY = "canary-in-a-message"
QUESTION = [{"role": "user", "content": CANARY}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save("llama", tmp_path)
    write_tokenizer(tmp_path)
    return tmp_path


def tokenizer_of(folder: Path) -> ModelTokenizer:
    return load_tokenizer(open_model(folder))


def test_encode_messages__template__puts_them_between_special_tokens(folder: Path) -> None:
    rendered = f"{BEGIN}user\n{CANARY}{END}{BEGIN}assistant\n"
    expected = byte_tokenizer().encode(rendered).ids
    assert tokenizer_of(folder).encode_messages(QUESTION) == tuple(expected)
    assert byte_tokenizer().token_to_id(BEGIN) in expected


def test_encode_text__plain_text__decodes_to_itself(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    text = "the theory – über 🦆 <>&"
    assert tokenizer.decode(tokenizer.encode_text(text)) == text


def test_decode__special_tokens__are_left_out(folder: Path) -> None:
    tokenizer = tokenizer_of(folder)
    token_ids = byte_tokenizer().encode(f"{BEGIN}duck{END}").ids
    assert tokenizer.decode(token_ids) == "duck"


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("{% for m in messages %}{{ m.content }}{% break %}{% endfor %}", CANARY),
        ("{% if tools is none and documents is none %}none{% endif %}", "none"),
        ("{{ '<b>&' | tojson }}", '"<b>&"'),
        ("{{ messages | tojson(indent=1) | length > 9 }}", "True"),
        ("{% if strftime_now('%Y') | int > 2020 %}dated{% endif %}", "dated"),
    ],
    ids=["break", "tools", "tojson", "indent", "date"],
)
def test_encode_messages__features_that_templates_use__are_supported(
    folder: Path, template: str, rendered: str
) -> None:
    write_tokenizer(folder, template)
    tokenizer = tokenizer_of(folder)
    assert tokenizer.decode(tokenizer.encode_messages(QUESTION)) == rendered


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no ' ~ messages[0]['content']) }}",
        "{{ messages[0]['content'] + 1 }}",
        "{{ messages[9]['content']['x']['y'] }}",
        "{% for %}",
        "{{ messages.__class__.__mro__ }}",
        "{% set _ = messages.append(1) %}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{% break %}",
        "{% for m in messages %}{% generation %}{% continue %}{% endgeneration %}{% endfor %}",
        r"{{ '\ud83d\ude00' }}",
    ],
    ids=[
        "refuses",
        "type",
        "undefined",
        "syntax",
        "class",
        "mutates",
        "escapes",
        "break outside a loop",
        "continue out of a generation block",
        "lone surrogates",
    ],
)
def test_encode_messages__template_fails__raises_without_message_text(
    folder: Path, template: str
) -> None:
    write_tokenizer(folder, template)
    with pytest.raises(ChatTemplateInvalid) as raised:
        tokenizer_of(folder).encode_messages(QUESTION)
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_encode_messages__no_template__says_so(folder: Path) -> None:
    write_tokenizer(folder, None)
    with pytest.raises(ChatTemplateInvalid, match="the model has none"):
        tokenizer_of(folder).encode_messages(QUESTION)


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template.jinja": "from the file"},
        {
            "tokenizer_config.json": json.dumps(
                {
                    "chat_template": [
                        {"name": "tool_use", "template": "wrong"},
                        {"name": "default", "template": "from the file"},
                    ]
                }
            )
        },
    ],
    ids=["a separate file", "one of several"],
)
def test_encode_messages__template_elsewhere__is_found(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).write_text(content)
    tokenizer = tokenizer_of(folder)
    assert tokenizer.decode(tokenizer.encode_messages(QUESTION)) == "from the file"


def test_encode_text__model_without_tokenizer__raises_tokenizer_missing(tmp_path: Path) -> None:
    save("llama", tmp_path)
    tokenizer = tokenizer_of(tmp_path)
    assert not tokenizer.reads_text
    assert tokenizer.decode([1, 2]) == ""
    with pytest.raises(TokenizerMissing, match="give token ids instead of text"):
        tokenizer.encode_text("duck")
    with pytest.raises((TokenizerMissing, ChatTemplateInvalid)):
        tokenizer.encode_messages(QUESTION)


def test_read_tokenizer_files__end_tokens_in_several_files__are_all_found(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos_token_id": [7, 5]}')
    files = open_model(folder).read_tokenizer_files()
    end = byte_tokenizer().token_to_id(END)
    assert set(files.eos_token_ids) == {5, 7, end}
    assert files.bos_token_id == byte_tokenizer().token_to_id(BEGIN)


def test_digest__same_json_written_differently__is_the_same(folder: Path) -> None:
    before = open_model(folder).read_tokenizer_files().digest()
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    spaced = folder / "spaced"
    save("llama", spaced)
    write_tokenizer(spaced)
    (spaced / "tokenizer.json").write_text(json.dumps(dict(reversed(value.items())), indent=4))
    assert open_model(spaced).read_tokenizer_files().digest() == before


@pytest.mark.parametrize(
    "content",
    ['{"added_tokens": []}', '{"added_tokens": [{"id": "x"}]}', "{}"],
    ids=["no model", "bad token", "empty"],
)
def test_load_tokenizer__invalid_tokenizer_json__raises_tokenizer_invalid(
    folder: Path, content: str
) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerInvalid):
        tokenizer_of(folder)


LONGEST = 65_000
HOSTILE = {
    "spaces": " " * LONGEST,
    "one letter": "a" * LONGEST,
    "emoji": "\U0001f9d1\u200d\U0001f680" * (LONGEST // 11),
    "combining marks": "Z\u0351\u036b\u0343" * (LONGEST // 7),
    "special tokens": (BEGIN + END) * (LONGEST // len(BEGIN + END)),
    "digits": "7" * LONGEST,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_l4_encode_messages__longest_hostile_prompt__takes_little_time(
    folder: Path, content: str
) -> None:
    tokenizer = tokenizer_of(folder)
    tokenizer.encode_messages([{"role": "user", "content": "a"}])  # starts the template's process
    start = time.process_time()
    ids = tokenizer.encode_messages([{"role": "user", "content": content}])
    assert time.process_time() - start < 1.0
    assert len(ids) <= len(content.encode()) + 100
