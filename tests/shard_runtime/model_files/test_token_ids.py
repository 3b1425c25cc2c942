# SPDX-License-Identifier: Apache-2.0
"""A published model states the digest of its token ids for the sample text; an entry compares it.

given the sample text
    it should be 2,000 lines of every kind, and never change
given a model with a tokenizer
    its manifest should hold the digest of the ids, by a second implementation
    when the tokenizer gives other ids than were published, an entry should not load
    when the manifest has no such digest, an entry should not load, another shard should
given a template that prints special tokens
    its digest should change only where the ids of bos and eos do not say what it prints
"""

import json
import struct
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from shard_runtime import ModelSource, build_manifest, load_shard, open_model
from shard_runtime.errors import DigestMismatch, TokenIdsDiffer
from shard_runtime.model_files.tokenizer.sample_text import sample_digest, sample_lines
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from tests.shard_runtime.byte_tokenizer import BEGIN, END, byte_tokenizer, write_tokenizer
from tests.shard_runtime.tiny_models import LAYERS, save

SAMPLE = "6fd8bcdd6e37465e832b98e1d14e09df099c79dcc6c937bccfbf78e2f73de030"
"""Changing the sample text changes every published token_ids_digest."""


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    save("llama", tmp_path)
    write_tokenizer(tmp_path)
    return open_model(tmp_path)


def load(source: ModelSource, manifest: ModelManifest, *, is_entry: bool = True) -> None:
    layers = LayerRange(0, 1) if is_entry else LayerRange(LAYERS - 1, LAYERS)
    load_shard(source, layers, is_entry=is_entry, manifest=manifest)


def test_sample_lines__every_kind__never_changes() -> None:
    lines = sample_lines()
    assert len(lines) == 2000
    assert sample_digest().hex() == SAMPLE
    text = "\n".join(lines)
    for part in (
        "x  2024",
        "\t\t3",
        "for i in",
        "你好",
        "مرحبا",
        "👩‍👩‍👧‍👦",
        "\x00",
        "\u2028",
        "</s>",
    ):
        assert part in text
    assert not any(0xD800 <= ord(character) < 0xE000 for character in text)


def test_build_manifest__tokenizer__has_the_digest_of_its_ids(source: ModelSource) -> None:
    lines = sha256()
    for line in sample_lines():
        lines.update(struct.pack(">I", len(line.encode())) + line.encode())
    expected = sha256(b"teetee/token-ids/v1" + lines.digest())
    for line in sample_lines():
        ids = byte_tokenizer().encode(line, add_special_tokens=False).ids
        expected.update(struct.pack(f">I{len(ids)}I", len(ids), *ids))
    manifest = build_manifest(source)
    assert manifest.token_ids_digest == expected.digest()
    assert ModelManifest.from_json(manifest.to_json()) == manifest
    load(source, manifest)


def test_load_shard__other_token_ids_than_published__raises(source: ModelSource) -> None:
    other = replace(build_manifest(source), token_ids_digest=b"\x07" * 32)
    with pytest.raises(TokenIdsDiffer, match="published as 0x0707"):
        load(source, other)
    load(source, other, is_entry=False)


def test_load_shard__manifest_without_the_digest__raises_for_an_entry(source: ModelSource) -> None:
    older = replace(build_manifest(source), token_ids_digest=None)
    with pytest.raises(TokenIdsDiffer, match="has no token_ids_digest"):
        load(source, older)
    load(source, older, is_entry=False)


def test_load_shard__tokenizer_changed__names_the_embedding(source: ModelSource) -> None:
    manifest = build_manifest(source)
    path = source.folder / "tokenizer.json"
    definition = json.loads(path.read_text())
    definition["model"]["merges"] = definition["model"]["merges"][:1]
    path.write_text(json.dumps(definition))
    changed = open_model(source.folder)
    with pytest.raises(DigestMismatch, match="The embedding was published as"):
        load(changed, manifest)
    assert build_manifest(changed).token_ids_digest != manifest.token_ids_digest


def test_load_shard__model_without_tokenizer__has_no_digest(tmp_path: Path) -> None:
    save("llama", tmp_path)
    source = open_model(tmp_path)
    manifest = build_manifest(source)
    assert manifest.token_ids_digest is None
    assert "token_ids_digest" not in manifest.to_json()
    load(source, manifest)
    with pytest.raises(TokenIdsDiffer, match="this model has no tokenizer"):
        load(source, replace(manifest, token_ids_digest=b"\x07" * 32))


def files(template: str, **changes: Any) -> TokenizerFiles:
    ids = {BEGIN: 5, END: 6, "<pad>": 7}
    named = {"bos_token": BEGIN, "eos_token": END, "pad_token": "<pad>"}
    fields = {"bos_token_id": 5, "eos_token_ids": (6,), "named_tokens": named, "token_ids": ids}
    return TokenizerFiles("{}", template, **(fields | changes))


def first_version(these: TokenizerFiles) -> bytes:
    """`H(tokenizer)` as it was before templates could print other tokens than these two."""
    hasher = sha256(b"teetee/tokenizer/v1")
    for text in (these.json or "", these.chat_template or ""):
        hasher.update(struct.pack(">I", len(text.encode())) + text.encode())
    ends = these.eos_token_ids
    hasher.update(struct.pack(f">II{len(ends)}I", these.bos_token_id or 0, len(ends), *ends))
    return hasher.digest()


@pytest.mark.parametrize(
    ("these", "unchanged"),
    [
        (files("{{ bos_token }}{{ eos_token }}"), True),
        (files("{{ messages }}", eos_token_ids=(2, 6)), True),
        (files("{{ messages }}", named_tokens={}), True),
        (files("{% set eos_token = 'x' %}{{ eos_token }}", eos_token_ids=(2, 6)), True),
        (files("{{ eos_token }}", eos_token_ids=(2, 6)), False),
        (files("{{ pad_token }}"), False),
        (files("{{ bos_token }}", named_tokens={}), False),
        (files("{% generation %}{{ pad_token }}{% endgeneration %}"), False),
    ],
    ids=[
        "said by the ids",
        "prints none",
        "names none",
        "defines its own",
        "another eos",
        "pad",
        "no bos",
        "in a generation block",
    ],
)
def test_digest__named_tokens__count_only_where_the_ids_do_not_say_them(
    these: TokenizerFiles, unchanged: bool
) -> None:
    assert (these.digest() == first_version(these)) is unchanged


def test_digest__another_text_of_a_token_that_is_printed__is_another_digest() -> None:
    one, other = (
        files("{{ pad_token }}", named_tokens={"pad_token": text}) for text in ("<pad>", END)
    )
    assert one.digest() != other.digest()
