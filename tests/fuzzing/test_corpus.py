# SPDX-License-Identifier: Apache-2.0
"""The corpus of every fuzzing target, replayed without a fuzzer.

given a seed that a real encoder made
    its reader should accept it: a corpus of refusals would teach the fuzzer nothing
given any input of the corpus, also one that a campaign once failed on
    its reader should accept it or raise a documented error, within 1 s and 64 MiB
given a reader that raises another error, takes too long or too much memory
    the watch should say so, whatever this process has allocated and freed before
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from tests.fuzzing import watch
from tests.fuzzing.replay import fresh_process, replay_corpus
from tests.fuzzing.target import NAMES, VALID, Target, corpus_of, find_target
from tests.fuzzing.watch import TooLarge, TooSlow, Watch


def target_that(run: Callable[[bytes], object]) -> Target:
    def read(data: bytes) -> None:
        run(data)

    return Target("example", "", read, (ValueError,), dict)


@pytest.fixture(scope="module")
def fresh() -> Iterator[Executor]:
    with fresh_process() as process:
        yield process


@pytest.mark.parametrize("name", NAMES)
def test_corpus__every_input__is_accepted_or_refused_within_the_limits(
    name: str, fresh: Executor
) -> None:
    accepted = fresh.submit(replay_corpus, name).result()
    names = {file.name for file in corpus_of(name).iterdir()}
    assert {each for each in names if each.startswith(VALID)} <= accepted
    assert {f"{VALID}{seed}" for seed in find_target(name).seeds()} <= accepted


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


def fill_blocks(data: bytes) -> None:
    """1 MiB for each byte, in one block."""
    b"x" * (len(data) << 20)


def fill_small_objects(data: bytes) -> None:
    """About 1 MiB for each byte, in many small objects."""
    [bytes(470) for _ in range(len(data) << 11)]


def free_one_block() -> list[object]:
    """The kernel gets it back; the peak remains."""
    bytes(500 << 20).count(1)
    return []


def free_blocks_between_others() -> list[object]:
    """malloc keeps what it cannot cut off at the end."""
    blocks = [b"x" * (100 << 10) for _ in range(2_000)]
    return [blocks[-1]]


def free_small_objects_between_others() -> list[object]:
    """Python keeps what lies between the few that remain."""
    return list[object]([(number,) for number in range(2_000_000)][::2_000])


def what_is_found(run: Callable[[bytes], object]) -> str:
    watched = Watch(target_that(run))
    assert watched.check(b"." * 30)
    try:
        watched.check(b"." * 100)
    except TooLarge as error:
        return str(error)
    return "nothing"


@pytest.mark.parametrize("before", [free_one_block, free_blocks_between_others])
def test_check__more_memory_than_allowed_and_freed_again__is_found(
    before: Callable[[], list[object]],
) -> None:
    kept = before()
    assert what_is_found(fill_blocks).startswith("100 bytes needed")
    del kept


@pytest.mark.parametrize("before", [free_one_block, free_small_objects_between_others])
def test_fresh_process__much_was_freed_in_this_one__finds_too_much_memory(
    before: Callable[[], list[object]],
) -> None:
    kept = before()
    with fresh_process() as process:
        found = process.submit(what_is_found, fill_small_objects).result()
    assert found.startswith("100 bytes needed")
    del kept


def test_check__too_slow_twice__is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_SECONDS", 0.01)
    with pytest.raises(TooSlow):
        Watch(target_that(lambda _: time.sleep(0.02))).check(b"")


def test_check__slow_once_on_a_busy_machine__is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_SECONDS", 0.01)
    pauses = iter([0.02, 0.0])
    assert Watch(target_that(lambda _: time.sleep(next(pauses)))).check(b"")
