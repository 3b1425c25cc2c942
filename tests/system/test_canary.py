# SPDX-License-Identifier: Apache-2.0
"""The promise of the whole system: only the two ends know question and answer.

given an answered request with canary words in its prompt
    when everything that was written, sent or shown is searched, in every usual encoding
        it should be in no file: logs, journals, the wallet's, the enclaves'
        it should be in no transaction or event on the chain
        it should be in no argument or environment of a process, while the request is in progress
        it should be in no byte between the processes
given a canary that was hidden on purpose
    when it is searched
        it should be found: this search can fail
"""

import base64
import gzip
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.phases.ask import AskResult, ask
from demo.world import World
from tests.system.encodings import encodings, found_in
from tests.system.relay import Relays
from tests.system.requester import Requester

pytestmark = pytest.mark.system

TOKENS = 16


@dataclass(frozen=True)
class Canary:
    """A request, and all of its secret texts."""

    asked: AskResult
    texts: list[str]
    processes: dict[str, bytes]
    """Process → its arguments and environment during the answer."""


@pytest.fixture(scope="module")
def canary(running_world: World) -> Canary:
    word = f"heliotrope{secrets.token_hex(6)}"
    question = f"Repeat after me, word by word: {word} ünïcödé{word[::-1]}"
    seen: dict[str, bytes] = {}
    asked = ask(
        running_world.command,
        Requester.of(running_world, "requester").wallet,
        question,
        *("--max-tokens", str(TOKENS)),
        on_text=lambda _: seen.update(_processes()),
    )
    words = asked.answer.split()
    # A short text occurs anywhere by chance; the whole answer and its halves do not.
    halves = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    token_ids = json.dumps(list(asked.token_ids))
    answers = [text for text in (asked.answer, *halves) if len(text) >= 12]
    assert answers, "the answer is too short to be searched"
    spellings = [token_ids, token_ids.replace(" ", ""), token_ids[1:-1].replace(",", "")]
    return Canary(asked, [word, word[::-1], question, *answers, *spellings], seen)


def test_canary__files_of_the_world__hold_nothing_of_it(
    canary: Canary, running_world: World
) -> None:
    files = [path for path in running_world.folders.directory.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".log", ".json"} <= kinds
    assert any("sqlite" in path.name for path in files), "the journal was not searched"
    assert {
        path: found for path in files if (found := found_in(path.read_bytes(), canary.texts))
    } == {}


def test_canary__chain__shows_nothing_of_it(canary: Canary, running_world: World) -> None:
    chain = running_world.chain
    blocks = chain.blocks()
    receipts = [
        chain.call("eth_getTransactionReceipt", transaction["hash"])
        for block in blocks
        for transaction in block["transactions"]
    ]
    assert any(
        len(transaction["input"]) > 1000
        for block in blocks
        for transaction in block["transactions"]
    )
    shown = json.dumps([blocks, receipts])
    assert found_in(shown.encode(), canary.texts) == []
    raw = b"".join(
        bytes.fromhex(value[2:]) for value in _strings([blocks, receipts]) if _is_hex(value)
    )
    assert found_in(raw, canary.texts) == []


def test_canary__processes_in_progress__do_not_have_it(canary: Canary) -> None:
    oracles = [name for name, content in canary.processes.items() if b"oracle" in content]
    assert len(oracles) >= 4, "the processes were not searched"
    found = {name: found_in(content, canary.texts) for name, content in canary.processes.items()}
    assert {name: each for name, each in found.items() if each} == {}


def test_canary__bytes_between_processes__hold_nothing_of_it(
    canary: Canary, relays: Relays
) -> None:
    recorded = relays.recorded()
    assert len(recorded) > 100_000, "nothing was recorded"
    assert b"eth_call" in recorded, "the chain's traffic is in clear text, but was not recorded"
    assert found_in(recorded, canary.texts) == []


@pytest.mark.parametrize("encoding", encodings("canary in a coal mine"))
def test_search__hidden_canary__is_found(encoding: str) -> None:
    hidden = b"\x00noise" + encodings("canary in a coal mine")[encoding] + b"noise"
    assert found_in(hidden, ["canary in a coal mine"])


def test_search__canary_within_a_text__is_found() -> None:
    text = "canary in a coal mine"
    for around in ("", "x", "xx"):
        whole = f"{around}{text}{around}".encode()
        assert found_in(base64.b64encode(whole), [text])
        assert found_in(whole.hex().encode(), [text])
        assert found_in(b"junk" + gzip.compress(whole * 9), [text])
    assert not found_in(b"nothing to see", [text])


def _processes() -> dict[str, bytes]:
    """Arguments and environment of every process of this user that can be read."""
    seen = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            content = (folder / "cmdline").read_bytes() + b"\0" + (folder / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is another user's
        seen[folder.name] = content
    return seen


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [each for item in value.values() for each in _strings(item)]
    if isinstance(value, list):
        return [each for item in value for each in _strings(item)]
    return [value] if isinstance(value, str) else []


def _is_hex(value: str) -> bool:
    return value.startswith("0x") and len(value) % 2 == 0 and len(value) > 2
