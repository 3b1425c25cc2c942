# SPDX-License-Identifier: Apache-2.0
"""Two linked shards for each test."""

from collections.abc import Iterator

import pytest

from tests.shard_runtime.links.pairs import Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    linked = Pair()
    yield linked
    linked.close()
