# SPDX-License-Identifier: Apache-2.0
"""The error trees.

given every error of the package's core and of its chain bindings
    it should stand in the tree that its module's docstring draws
    it should be retryable or fatal, never both
    it should say what to do next, after what happened
"""

import inspect
from types import ModuleType

import pytest

from teetee import errors
from teetee.chain import errors as chain_errors
from teetee.errors import Fatal, Retryable, TeeTeeError

EXAMPLES: dict[type, object] = {int: 5, str: "something", bytes: b"\x05" * 32}


def classes_of(module: ModuleType) -> list[type[TeeTeeError]]:
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, TeeTeeError) and found.__module__ == module.__name__
    ]


CASES = [(module, found) for module in (errors, chain_errors) for found in classes_of(module)]
SPLIT = {TeeTeeError, Retryable, Fatal}


@pytest.mark.parametrize(("module", "error"), CASES, ids=lambda case: case.__name__)
def test_errors__every_class__is_in_the_tree_and_on_one_side_of_the_split(
    module: ModuleType, error: type[TeeTeeError]
) -> None:
    assert error.__name__ in (module.__doc__ or "")
    if error not in SPLIT:
        assert issubclass(error, Retryable) != issubclass(error, Fatal)


def example_of(error: type[TeeTeeError]) -> TeeTeeError:
    """One with plausible arguments, by their annotations."""
    given = []
    for parameter in inspect.signature(error).parameters.values():
        kind = parameter.annotation
        plain = EXAMPLES.get(kind)
        given.append(plain if plain is not None else _composed(str(kind)))
    return error(*given)


def _composed(kind: str) -> object:
    if kind.startswith("tuple"):
        return (1, 2)
    if kind == "<class 'float'>":
        return 5.0
    return {"http://node": "no connection"}


MESSAGES = [found for _, found in CASES if "__init__" in vars(found)]
GROUPS = [found for _, found in CASES if "__init__" not in vars(found)]


@pytest.mark.parametrize("error", MESSAGES, ids=lambda error: error.__name__)
def test_errors__every_message__says_what_happened_and_what_to_do(
    error: type[TeeTeeError],
) -> None:
    message = str(example_of(error))
    assert message.endswith(".")
    assert ". " in message
    assert "None" not in message


@pytest.mark.parametrize("error", GROUPS, ids=lambda error: error.__name__)
def test_errors__without_a_message_of_their_own__are_groups(error: type[TeeTeeError]) -> None:
    assert error.__subclasses__()
