# SPDX-License-Identifier: Apache-2.0
"""Asserts which custom error a contract reverts with."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from teetee.chain.contract_errors import ContractRejected


@contextmanager
def refused_with(name: str) -> Iterator[pytest.ExceptionInfo[ContractRejected]]:
    """Like `pytest.raises`, for the custom error of that name."""
    with pytest.raises(ContractRejected) as refused:
        yield refused
    assert refused.value.name == name
