# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools`.

given a model folder and prompts as token ids
    `check` should run real processes, find them equal, and report tokens, receipts and memory
given an answer that differs
    `check` should exit with 1 and say where
given --against-transformers
    `check` should report tokens, template output, end tokens and logits apart
given an invalid model or invalid prompts
    every command should exit with 2 and a sentence
given a model that loading would refuse
    `digest` and `prepare` should refuse it too, naming the reason
`digest` should print the manifest; `split` ranges; `unsplit` the answer of transformers
"""

import json
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import shard_tools.__main__ as command
from shard_runtime import build_manifest
from shard_runtime.errors import PromptEmpty
from shard_runtime.model_files.tokenizer.tokenizer import ModelTokenizer
from shard_runtime.model_files.tokenizer.tokenizer_files import TokenizerFiles
from shard_tools.check.parts import EndTokenPart, LogitPart, Parts, TextPart
from shard_tools.check.prompts import PromptForm, encode_prompts, first_difference, token_ids_of
from shard_tools.check.report import CheckReport, PromptResult, StageMemory
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from tests.shard_runtime.byte_tokenizer import END, TEMPLATE, byte_tokenizer, write_tokenizer
from tests.shard_runtime.conftest import Tiny
from tests.shard_runtime.gguf_writing import write_gguf
from tests.shard_runtime.tiny_models import SHAPE, greedy, prompt_of, save

MIB = 1 << 20


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "shard_tools", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def report(*differences: int | None, parts: Parts | None = None) -> CheckReport:
    return CheckReport(
        parts=parts,
        model="tiny",
        max_tokens=8,
        reference="transformers",
        prompts=tuple(
            PromptResult(line, 5, 8, 8, difference, None, "length", 2)
            for line, difference in enumerate(differences, start=1)
        ),
        stages=(StageMemory(LayerRange(0, 2), 60 * MIB), StageMemory(LayerRange(2, 6), 50 * MIB)),
        bare_bytes=200 * MIB,
        unsplit_bytes=100 * MIB,
        reference_bytes=None,
        seconds=1.0,
    )


@pytest.mark.system
def test_check__two_stage_processes__are_equal_to_the_unsplit_model(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    source, reference = tiny("qwen3")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("5 17 3 42\n\n100, 101,102\n")
    done = run(
        "check", source.folder, "--stages", 2, "--prompts", prompts, "--max-tokens", 6, "--json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["equal"] is True
    assert found["reference"].startswith("transformers ")
    assert [prompt["equal"] for prompt in found["prompts"]] == [True, True]
    assert [prompt["inputTokens"] for prompt in found["prompts"]] == [4, 3]
    assert [prompt["outputTokens"] for prompt in found["prompts"]] == [6, 6]
    assert [prompt["firstDifference"] for prompt in found["prompts"]] == [None, None]
    assert [prompt["receiptsVerified"] for prompt in found["prompts"]] == [2, 2]
    assert [stage["layers"] for stage in found["memory"]["stages"]][-1][1] == 6
    assert all(stage["peakBytes"] > 0 for stage in found["memory"]["stages"])
    assert len(greedy(reference, (5, 17, 3, 42), 6)) == 6


def test_check__answers_that_differ__exits_with_1_and_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("1 2 3")
    monkeypatch.setattr(command, "run_check", lambda *_, **__: report(None, 4))
    done = CliRunner().invoke(command.app, ["check", "tiny", "--prompts", str(prompts), "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["equal"] is False
    assert [prompt["firstDifference"] for prompt in found["prompts"]] == [None, 4]
    table = CliRunner().invoke(command.app, ["check", "tiny", "--prompts", str(prompts)])
    assert table.exit_code == 1
    assert "differs at 4" in table.stdout


@pytest.mark.system
def test_check__against_transformers__reports_each_part(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHAPE, "vocab_size", 300)
        save("llama", folder)
    write_tokenizer(folder, eos_token=END, tokenizer_class="PreTrainedTokenizerFast")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("the duck\n5 17 3\n")
    arguments = ("--stages", 1, "--prompts", prompts, "--max-tokens", 4, "--against-transformers")
    done = run("check", folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    parts = {name: found[name]["equal"] for name in ("tokens", "template", "endTokens", "logits")}
    assert parts == {"tokens": True, "template": True, "endTokens": True, "logits": True}
    assert [found[name]["compared"] for name in ("tokens", "template", "logits")] == [2001, 1, 2]
    # The class makes transformers rebuild the tokenizer without what tokenizer.json says.
    definition = json.loads((folder / "tokenizer.json").read_text())
    definition["pre_tokenizer"] = {"type": "Digits", "individual_digits": True}
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    write_tokenizer_class(folder, "GPT2Tokenizer")
    again = CliRunner().invoke(command.app, ["check", str(folder), *map(str, arguments)])
    assert again.exit_code == 1, again.stderr
    assert re.search(r"tokens\s+│ differs", again.stdout)
    assert re.search(r"logits\s+│ yes", again.stdout)


def write_tokenizer_class(folder: Path, name: str) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": name}))


SAME_TEXT = TextPart(compared=3, different=())
SAME_ENDS = EndTokenPart(found=frozenset({2}), expected=frozenset({2}))
SAME_LOGITS = LogitPart(compared=3, largest_difference=1e-6, largest_logit=10.0)


@pytest.mark.parametrize(
    ("parts", "different"),
    [
        (Parts(SAME_TEXT, SAME_TEXT, SAME_ENDS, SAME_LOGITS), None),
        (Parts(TextPart(3, (2,)), SAME_TEXT, SAME_ENDS, SAME_LOGITS), "tokens"),
        (Parts(SAME_TEXT, TextPart(3, (1, 3)), SAME_ENDS, SAME_LOGITS), "template"),
        (
            Parts(SAME_TEXT, SAME_TEXT, EndTokenPart(frozenset(), frozenset({7})), SAME_LOGITS),
            "endTokens",
        ),
        (Parts(SAME_TEXT, SAME_TEXT, SAME_ENDS, LogitPart(3, 0.5, 10.0)), "logits"),
    ],
    ids=["none", "tokens", "template", "end tokens", "logits"],
)
def test_report__part_that_differs__is_named(parts: Parts, different: str | None) -> None:
    found = report(None, parts=parts)
    document = found.to_json()
    names = ("tokens", "template", "endTokens", "logits")
    assert [name for name in names if not document[name]["equal"]] == (
        [different] if different else []
    )
    assert found.equal is (different is None)
    printed = StringIO()
    found.print(Console(file=printed, width=100))
    assert ("differs" in printed.getvalue()) is (different is not None)


def test_report__more_end_tokens_than_transformers__are_equal_and_named() -> None:
    part = EndTokenPart(found=frozenset({0, 2, 4}), expected=frozenset({2}))
    assert part.equal
    assert part.to_json()["additional"] == [0, 4]
    assert part.describe() == "ends at 0, 2, 4; transformers only at 2"


def test_report__memory__is_relative_to_the_unsplit_process() -> None:
    memory = report(None).to_json()["memory"]
    assert [stage["ratio"] for stage in memory["stages"]] == [0.6, 0.5]
    assert memory["largestRatio"] == 0.6
    assert "VmHWM" in memory["measure"]


@pytest.mark.system
def test_unsplit__token_ids__are_answered_by_transformers(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    source, reference = tiny("llama")
    prompt = prompt_of(9)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(" ".join(map(str, prompt)))
    done = run("unsplit", source.folder, "--prompt-file", prompts, "--max-tokens", 7, "--json")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)["answers"]
    assert tuple(answer["tokenIds"]) == greedy(reference, prompt, 7)
    assert (answer["inputTokens"], answer["outputTokens"], answer["text"]) == (9, 7, "")


def test_digest__json__is_the_manifest(tiny: Callable[[str], Tiny]) -> None:
    source = tiny("llama")[0]
    done = CliRunner().invoke(command.app, ["digest", str(source.folder), "--json"])
    assert done.exit_code == 0
    assert ModelManifest.from_json(done.stdout) == build_manifest(source)
    table = CliRunner().invoke(command.app, ["digest", str(source.folder)])
    assert "layer 5" in table.stdout


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("config.json", '{"quantization_config": {"quant_method": "fp8"}}', "quantization_config"),
        ("config.json", '{"residual_multiplier": 0.5}', "sets residual_multiplier to 0.5"),
        ("adapter_config.json", "{}", "describes an adapter"),
    ],
)
def test_digest__folder_that_loading_refuses__exits_with_2_and_prints_no_manifest(
    tiny: Callable[[str], Tiny], tmp_path: Path, file: str, text: str, named: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny("llama")[0].folder, folder)
    path = folder / file
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | json.loads(text)))
    done = CliRunner().invoke(command.app, ["digest", str(folder), "--json"])
    assert done.exit_code == 2
    assert "layerDigests" not in done.stdout
    assert named in done.stderr


@pytest.mark.parametrize("wrong", ["missing", "of another shape"])
def test_prepare__gguf_that_loading_refuses__exits_with_2_and_writes_nothing(
    tiny: Callable[[str], Tiny], tmp_path: Path, wrong: str
) -> None:
    up = "blk.1.ffn_up.weight"
    write_gguf(tiny("llama")[1], tmp_path / "whole.gguf")
    damaged = (tmp_path / "whole.gguf").read_bytes()
    if wrong == "missing":
        damaged = damaged.replace(up.encode(), up.replace("up", "UP").encode())
    else:
        names = damaged.index(up.encode()) + len(up) + 4
        first, second = struct.unpack_from("<QQ", damaged, names)
        swapped = struct.pack("<QQ", second, first)
        damaged = damaged[:names] + swapped + damaged[names + 16 :]
    (tmp_path / "model.gguf").write_bytes(damaged)
    target = tmp_path / "prepared"
    for arguments in (["digest", "--json"], ["prepare", str(target)]):
        name, *others = arguments
        done = CliRunner().invoke(command.app, [name, str(tmp_path / "model.gguf"), *others])
        assert done.exit_code == 2
        assert up in done.stderr or "UP" in done.stderr
    assert not target.exists()


def test_split__json__is_the_ranges(tiny: Callable[[str], Tiny]) -> None:
    folder = str(tiny("llama")[0].folder)
    done = CliRunner().invoke(command.app, ["split", folder, "--stages", "3", "--json"])
    ranges = json.loads(done.stdout)["layers"]
    assert (ranges[0][0], ranges[-1][1], len(ranges)) == (0, 6, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        ["digest", "/not/there"],
        ["split", "/not/there"],
        ["check", "/not/there", "--prompts", "{prompts}"],
        ["unsplit", "/not/there", "--prompt-file", "{prompts}"],
        ["prepare", "/not/there", "/tmp/nowhere"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_command__no_such_model__exits_with_2_and_a_sentence(
    tmp_path: Path, arguments: list[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("1 2 3")
    filled = [argument.format(prompts=prompts) for argument in arguments]
    done = CliRunner().invoke(command.app, [*filled, "--json"])
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["kind"] == "ModelNotFound"
    assert "No model at /not/there" in done.stderr
    assert "Traceback" not in done.output


def test_check__more_stages_than_layers__exits_with_2(
    tiny: Callable[[str], Tiny], tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("1 2 3")
    folder = str(tiny("llama")[0].folder)
    arguments = ["check", folder, "--stages", "9", "--prompts", str(prompts)]
    done = CliRunner().invoke(command.app, arguments)
    assert done.exit_code == 2
    assert "6 layers allow 1 to 6 stages, not 9" in done.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1 2 3", (1, 2, 3)),
        ("1,2, 3", (1, 2, 3)),
        (" 7 ", (7,)),
        ("7,", (7,)),
        ("1 duck", None),
        ("3.5", None),
        ("-3", None),
        ("duck", None),
    ],
)
def test_token_ids_of__line__is_numbers_or_text(
    line: str, expected: tuple[int, ...] | None
) -> None:
    assert token_ids_of(line) == expected


def test_encode_prompts__chat_or_raw__as_requested_or_by_the_model_s_template() -> None:
    def tokenizer(template: str | None) -> ModelTokenizer:
        return ModelTokenizer(
            TokenizerFiles(byte_tokenizer().to_str(), template, None, ()), "bytes"
        )

    raw = tuple(byte_tokenizer().encode("duck").ids)
    with_template, without = tokenizer(TEMPLATE), tokenizer(None)
    (chat,) = encode_prompts("duck\n", with_template)
    assert chat != raw
    assert encode_prompts("duck\n", with_template, PromptForm.RAW) == [raw]
    assert encode_prompts("duck\n", with_template, PromptForm.CHAT) == [chat]
    assert encode_prompts("duck\n\n5 6\n", without) == [raw, (5, 6)]
    with pytest.raises(PromptEmpty):
        encode_prompts(" \n\n", without)


@pytest.mark.parametrize(
    ("actual", "theirs", "position"),
    [((1, 2), (1, 2), None), ((1, 2), (1, 3), 1), ((1,), (1, 2), 1), ((), (1,), 0), ((), (), None)],
)
def test_first_difference__answers__is_the_first_differing_position(
    actual: Any, theirs: Any, position: int | None
) -> None:
    assert first_difference(actual, theirs) == position
