# SPDX-License-Identifier: Apache-2.0
"""The promise of the whole system: what was asked and answered is nowhere but with the two ends.

given a request with canary words in its prompt, answered by a running world
    when everything that was written, sent or shown is searched, in every usual encoding
        it should be in no file: logs, journals, the wallet's, the enclaves'
        it should be in no transaction, event or state that the chain shows
        it should be in no argument or environment of a process, while the request is under way
        it should be in no byte between the processes
given a place where a canary was put on purpose
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

from demo.phases.ask import Asked, ask
from demo.world import World
from tests.system.asking import Asking
from tests.system.disguises import disguises, found_in
from tests.system.relay import Relays

pytestmark = pytest.mark.system

TOKENS = 16


@dataclass(frozen=True)
class Canary:
    """A request, and every text of it that nobody else may see."""

    asked: Asked
    texts: list[str]
    processes: dict[str, bytes]
    """Arguments and environments while the answer was made, by process."""


@pytest.fixture(scope="module")
def canary(running_world: World) -> Canary:
    word = f"heliotrope{secrets.token_hex(6)}"
    question = f"Repeat after me, word by word: {word} ünïcödé{word[::-1]}"
    seen: dict[str, bytes] = {}
    asked = ask(
        running_world.command,
        Asking.of(running_world, "requester").wallet,
        question,
        *("--max-tokens", str(TOKENS)),
        on_text=lambda _: seen.update(_processes()),
    )
    words = asked.answer.split()
    # A text of a few letters is everywhere by chance; the answer as a whole and in halves is not.
    halves = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    token_ids = json.dumps(list(asked.token_ids))
    answers = [text for text in (asked.answer, *halves) if len(text) >= 12]
    assert answers, "the model said too little to be looked for"
    spellings = [token_ids, token_ids.replace(" ", ""), token_ids[1:-1].replace(",", "")]
    return Canary(asked, [word, word[::-1], question, *answers, *spellings], seen)


def test_canary__files_of_the_world__hold_nothing_of_it(
    canary: Canary, running_world: World
) -> None:
    files = [path for path in running_world.folders.directory.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".log", ".json"} <= kinds
    assert any("sqlite" in path.name for path in files), "the journal was not looked at"
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


def test_canary__processes_under_way__were_not_told_it(canary: Canary) -> None:
    oracles = [name for name, content in canary.processes.items() if b"oracle" in content]
    assert len(oracles) >= 4, "the processes were not looked at"
    found = {name: found_in(content, canary.texts) for name, content in canary.processes.items()}
    assert {name: each for name, each in found.items() if each} == {}


def test_canary__bytes_between_processes__hold_nothing_of_it(
    canary: Canary, relays: Relays
) -> None:
    heard = relays.heard()
    assert len(heard) > 100_000, "nothing was heard"
    assert b"eth_call" in heard, "the chain's traffic is in the clear, and was not heard"
    assert found_in(heard, canary.texts) == []


@pytest.mark.parametrize("encoding", disguises("canary in a coal mine"))
def test_search__canary_that_was_put_there__finds_it(encoding: str) -> None:
    hidden = b"\x00noise" + disguises("canary in a coal mine")[encoding] + b"noise"
    assert found_in(hidden, ["canary in a coal mine"])


def test_search__canary_in_a_whole__finds_it() -> None:
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
            continue  # it ended meanwhile, or is somebody else's
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
