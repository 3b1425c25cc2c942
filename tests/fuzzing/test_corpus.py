# SPDX-License-Identifier: Apache-2.0
"""The corpus of every fuzzing target, replayed without a fuzzer.

given a seed that a real encoder made
    its reader should accept it: a corpus of refusals would teach the fuzzer nothing
given any input of the corpus, also one that a campaign once failed on
    its reader should accept it or raise a documented error, within 1 s and 64 MiB
given a reader that raises another error, takes too long or too much memory
    the watch should say so
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzzing import watch
from tests.fuzzing.target import NAMES, VALID, Target, corpus_of, find_target
from tests.fuzzing.watch import TooLarge, TooSlow, Watch


def target_that(run: Callable[[bytes], object]) -> Target:
    def read(data: bytes) -> None:
        run(data)

    return Target("example", "", read, (ValueError,), dict)


@pytest.mark.parametrize("name", NAMES)
def test_corpus__every_input__is_accepted_or_refused_within_the_limits(name: str) -> None:
    files = sorted(corpus_of(name).iterdir())
    target = find_target(name)
    watched = Watch(target)
    accepted = {file.name for file in files if watched.check(file.read_bytes())}
    assert {file.name for file in files if file.name.startswith(VALID)} <= accepted
    assert {f"{VALID}{seed}" for seed in target.seeds()} <= accepted


def test_corpus__every_folder__is_of_a_target() -> None:
    assert sorted(path.name for path in Path(corpus_of("")).iterdir()) == list(NAMES)


def test_check__documented_error__is_a_refusal() -> None:
    def refuse(_: bytes) -> None:
        raise ValueError

    assert Watch(target_that(refuse)).check(b"") is False
    assert Watch(target_that(len)).check(b"") is True


def test_check__other_error__passes() -> None:
    with pytest.raises(ZeroDivisionError):
        Watch(target_that(lambda data: 1 // len(data))).check(b"")


def test_check__message_that_no_log_can_write__passes() -> None:
    def refuse(_: bytes) -> None:
        raise ValueError("\ud800")

    with pytest.raises(UnicodeEncodeError):
        Watch(target_that(refuse)).check(b"")


def test_check__more_memory_than_allowed_and_freed_again__is_found() -> None:
    watched = Watch(target_that(lambda data: b"x" * (len(data) << 20)))
    assert watched.check(b"." * 30)
    with pytest.raises(TooLarge, match="100 bytes needed"):
        watched.check(b"." * 100)


def test_check__too_slow_twice__is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_SECONDS", 0.01)
    with pytest.raises(TooSlow):
        Watch(target_that(lambda _: time.sleep(0.02))).check(b"")


def test_check__slow_once_on_a_busy_machine__is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_SECONDS", 0.01)
    pauses = iter([0.02, 0.0])
    assert Watch(target_that(lambda _: time.sleep(next(pauses)))).check(b"")
