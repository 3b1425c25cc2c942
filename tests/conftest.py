# SPDX-License-Identifier: Apache-2.0
"""What all Python tests share: how hard hypothesis tries, which suite needs which environment, and
which tests share a process under `pytest -n`.

HYPOTHESIS_PROFILE=thorough searches a hundred times longer than the default.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

# No deadline: two cores shared by many processes make single examples slow now and then.
# Derandomized: whether a commit passes must not depend on luck. `thorough` rolls the dice.
settings.register_profile("default", deadline=None, max_examples=100, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# The contract tests need ape, which has an environment of its own: `make test-ape`.
collect_ignore = [] if find_spec("ape") else ["contracts"]

SYSTEM = "tests/system/"
"""Its tests share one world."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no process works alone at the end: the system tests, then files
    with other tests that start processes.
    """
    slow = {item.path for item in items if item.get_closest_marker("system")}
    items.sort(key=lambda item: (not item.nodeid.startswith(SYSTEM), item.path not in slow))


if find_spec("xdist"):
    from xdist.scheduler import LoadFileScheduling

    class OneWorld(LoadFileScheduling):
        """Each file in one process, in the order of collection; all system tests in the same."""

        def _split_scope(self, nodeid: str) -> str:
            return SYSTEM if nodeid.startswith(SYSTEM) else super()._split_scope(nodeid)

    def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
        """Used by `pytest -n`, for any `--dist`."""
        config.option.loadscopereorder = False
        return OneWorld(config, log)  # type: ignore[arg-type]
