# SPDX-License-Identifier: Apache-2.0
"""How the journal writes values: JSON and nothing else.

DBOS pickles by default. The host controls the disk: write access to it must not mean running code
in the enclave, and the text of an exception must not reach it. So values are plain JSON, and of an
exception only the class name is kept.
"""

import json
from typing import Any

from dbos import Serializer

from oracle.errors import JournalUnreadable
from teetee.protocol.json import shallow as shallow_json

_FAILURE = "$failure"


class JournaledFailure(Exception):
    """Stands for an exception that an earlier run recorded; only its class name is known."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"an earlier run failed with {name}")


class JsonSerializer(Serializer):
    """Implements DBOS's interface for writing values."""

    def name(self) -> str:
        """The format name that DBOS stores beside each value."""
        return "teetee_json"

    def serialize(self, data: Any) -> str:
        """JSON text.

        Raises:
            TypeError: the value is not plain JSON; the message does not show it.
        """
        if isinstance(data, BaseException):
            name = data.name if isinstance(data, JournaledFailure) else type(data).__name__
            return json.dumps({_FAILURE: name})
        try:
            return json.dumps(data, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError):
            raise TypeError(
                f"the journal takes plain JSON only, not {type(data).__name__}"
            ) from None

    def deserialize(self, serialized_data: str) -> Any:
        """The value, or the failure that stands for an exception.

        Raises:
            JournalUnreadable: the text is not JSON.
        """
        try:
            value = shallow_json.load(serialized_data.encode())
        except ValueError:
            raise JournalUnreadable(what="a value that is not JSON") from None
        if isinstance(value, dict) and set(value) == {_FAILURE}:
            return JournaledFailure(str(value[_FAILURE]))
        return value
