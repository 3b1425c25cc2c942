# SPDX-License-Identifier: Apache-2.0
"""JSON objects in which no name occurs twice.

given an object with distinct names
    it should be parsed
given a name twice, in the object or in an inner one; no object; no JSON; deep nesting
    it should be refused, naming the repeated name
"""

import pytest

from teetee.protocol.json.distinct import load_object
from teetee.protocol.json.shallow import NotJson


def test_load_object__distinct_names__is_the_object() -> None:
    assert load_object(b'{"a": [{"b": 1}, {"b": 2}]}') == {"a": [{"b": 1}, {"b": 2}]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "has the field a more than once"),
        ('{"a": {"c": null, "c": null}}', "has the field c more than once"),
        ('[{"a": 1}]', "is not an object"),
        ("{", "is not JSON"),
        ('{"a": ' * 70, "more than 64 deep"),
    ],
)
def test_load_object__anything_else__is_refused(text: str, why: str) -> None:
    with pytest.raises(NotJson, match=why):
        load_object(text.encode())
