# SPDX-License-Identifier: Apache-2.0
"""transformers without its log: thousands of configs that it warns about."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers

from tests.shard_runtime.model_files.config.reference import Reference


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    yield
    transformers.utils.logging.enable_progress_bar()
    transformers.logging.set_verbosity(before)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    return Reference(tmp_path)
