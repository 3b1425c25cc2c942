# SPDX-License-Identifier: Apache-2.0
"""The errors of the wallet's side.

given any error class
    when it is looked at
        it should be Retryable or Fatal, and stand in the tree of the docstring
"""

from __future__ import annotations

import inspect

import pytest

from teetee.client import errors, wallet_file_errors
from teetee.errors import Fatal, Retryable, TeeTeeError

CLASSES = [
    each
    for module in (errors, wallet_file_errors)
    for _, each in inspect.getmembers(module, inspect.isclass)
    if issubclass(each, TeeTeeError) and each.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_error__any__is_split_and_stands_in_the_tree(kind: type[TeeTeeError]) -> None:
    assert issubclass(kind, Retryable) != issubclass(kind, Fatal)
    tree = (errors.__doc__ or "").split("Fatal\n")
    part = tree[0] if issubclass(kind, Retryable) else tree[1]
    assert kind.__name__ in part


def test_tree__every_name__is_a_class() -> None:
    tree = (errors.__doc__ or "").split("TeeTeeError\n")[1].split("The classes of")[0]
    words = {word.strip(",") for word in tree.split() if word[0].isupper()}
    known = {kind.__name__ for kind in CLASSES} | {"Retryable", "Fatal"}
    assert words <= known
