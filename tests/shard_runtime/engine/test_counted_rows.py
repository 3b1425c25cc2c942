# SPDX-License-Identifier: Apache-2.0
"""What operators can read of the rows that a computing thread passes on.

given a run that is alone
    while it is computed
        neither steps nor rows should grow
    when it has ended, in any way
        both should grow, and the rows be rounded up, so that no prompt's exact length shows
"""

import pytest

from shard_runtime import ModelSource
from shard_runtime.engine.loop import EngineReport
from shard_runtime.engine.run import COUNTED_ROWS
from teetee.errors import Fatal
from tests.shard_runtime.engine.test_run_life import eventually
from tests.shard_runtime.rings import Ring, running
from tests.shard_runtime.tiny_models import prompt_of


def reports(ring: Ring) -> list[EngineReport]:
    return [ring.entry.report(), *(stage.report() for stage in ring.stages)]


def counts(ring: Ring) -> list[tuple[bool, int]]:
    return [(report.steps > 0, report.rows) for report in reports(ring)]


def test_a9__run_is_computed__nothing_grows_until_it_has_ended(spoken: ModelSource) -> None:
    with running(spoken, 3) as ring:
        during: list[tuple[bool, int]] = []
        ring.ask(prompt_of(7), 12, on_text=lambda _: during.extend(counts(ring)))
        assert {*during} == {(False, 0)}
        assert eventually(lambda: counts(ring) == [(True, COUNTED_ROWS)] * 3)


@pytest.mark.parametrize("length", [3, 9, 20])
def test_a9__prompts_of_other_lengths__count_alike(spoken: ModelSource, length: int) -> None:
    with running(spoken, 2) as ring:
        ring.ask(prompt_of(length), 5)
        assert eventually(lambda: counts(ring) == [(True, COUNTED_ROWS)] * 2)


def test_a9__caller_leaves_in_the_middle__the_prompts_length_does_not_show(
    spoken: ModelSource,
) -> None:
    def leave(_: object) -> None:
        raise Fatal("enough")

    with running(spoken, 2) as ring:
        with pytest.raises(Fatal, match="enough"):
            ring.ask(prompt_of(7), 12, on_text=leave)
        assert eventually(lambda: counts(ring) == [(True, COUNTED_ROWS)] * 2)
