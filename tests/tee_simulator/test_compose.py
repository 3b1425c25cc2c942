# SPDX-License-Identifier: Apache-2.0
"""Parsing an app-compose document, in the simulator and in the verifiers' own parser.

The simulator imports nothing of teetee, so two parsers exist. They must reject the same documents.

given a document that dstack would not boot
    both parsers should reject it by the same rule, naming the source
given a document that dstack boots
    both parsers should find the same name and hash
given a process in which a library raised the recursion limit
    the verifiers' parser should reject deep nesting, too
given a missing file
    both parsers should say that it cannot be read
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tee_simulator.errors import ComposeInvalid as SimulatorComposeInvalid
from tee_simulator.guest.compose import DEFAULT, Compose
from teetee.quotes.app_compose import AppCompose
from teetee.quotes.errors import ComposeInvalid

Parser = type[Compose] | type[AppCompose]
REJECTIONS = (SimulatorComposeInvalid, ComposeInvalid)

both = pytest.mark.parametrize("parser", [Compose, AppCompose], ids=["simulator", "verifier"])


@pytest.fixture(autouse=True)
def recursion_limit() -> Iterator[None]:
    """Python's default, as in the simulator's process. Here, a library of other tests raises it."""
    raised = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(raised)


@both
@pytest.mark.parametrize(
    ("document", "rule"),
    [
        pytest.param(b"\xff", "JSON in UTF-8", id="not text"),
        pytest.param(b"services: {}", "JSON in UTF-8", id="yaml"),
        pytest.param(b"[" * 100_000, "JSON in UTF-8", id="nested too deeply"),
        pytest.param(b"[]", "JSON object", id="a list"),
        pytest.param(b'{"runner": "bash"}', "manifest_version", id="no version"),
        pytest.param(b'{"manifest_version": 2}', "runner", id="no runner"),
        pytest.param(
            b'{"manifest_version": 2, "runner": "bash", "name": 3}', "name", id="number as name"
        ),
        pytest.param(b" " * 300_000, "more than 262144 bytes", id="too long"),
    ],
)
def test_parse__document_that_dstack_does_not_boot__is_rejected(
    parser: Parser, document: bytes, rule: str
) -> None:
    with pytest.raises(REJECTIONS) as caught:
        parser.parse(document, "app-compose.json")
    assert isinstance(caught.value, REJECTIONS)
    assert rule in caught.value.rule
    assert "app-compose.json" in str(caught.value)


def test_parse__raised_recursion_limit__verifier_rejects_deep_nesting() -> None:
    sys.setrecursionlimit(100_000)
    with pytest.raises(ComposeInvalid, match="JSON in UTF-8"):
        AppCompose.parse(b"[" * 100_000, "app-compose.json")


@pytest.mark.parametrize(
    "document",
    [DEFAULT, b'{"manifest_version": "2", "runner": "bash"}', DEFAULT.replace(b"    ", b"\t")],
    ids=["default", "no name", "other spaces"],
)
def test_parse__document_that_dstack_boots__has_the_same_name_and_hash(document: bytes) -> None:
    simulated, verified = (each.parse(document, "a test") for each in (Compose, AppCompose))
    assert (simulated.name, simulated.hash) == (verified.name, verified.hash)


@both
def test_read__missing_file__is_rejected(parser: Parser, tmp_path: Path) -> None:
    with pytest.raises(REJECTIONS, match="cannot be read"):
        parser.read(tmp_path / "missing.json")
