# SPDX-License-Identifier: Apache-2.0
"""The errors of running a prompt. A caller maps them to its own terms; none quotes the prompt.

    TeeTeeError
    ├── Retryable
    │   └── OracleRetryable
    │       ├── NoPath             no active shards tile the model
    │       │   └── NoPermittedPath  the shards that the requester permits do not
    │       └── InferenceStopped   the process stops; nothing was answered
    └── Fatal
        └── OracleFatal
            ├── PromptRejected     the model cannot read this prompt
            │   └── PromptTooLong  more tokens than the caller allows
            ├── PromptNotRendered  the chat template took too long; the prompt may be good
            └── JobCancelled       the caller cancelled the job; says what it lacked

The runtime's own `Retryable` errors (its cache is too small, for example) pass through unchanged.
"""

from enum import Enum

from oracle.errors import OracleFatal, OracleRetryable


class Blocker(Enum):
    """What a job lacked when it was cancelled."""

    CAPACITY = "capacity"  # a free slot, a stage with a free cache, or time to finish
    PATH = "path"  # a path without failed shards


class NoPath(OracleRetryable):
    """Active shards do not tile `[0, layers)` of the model."""

    def __init__(self, *, model_id: int, layers: int) -> None:
        self.model_id, self.layers = model_id, layers
        super().__init__(
            f"no active shards of model {model_id} tile its layers [0, {layers}) from this entry;"
            " a host must enrol or renew the missing ones."
        )


class NoPermittedPath(NoPath):
    """There is a path, and none over shards that the requester permits."""


class InferenceStopped(OracleRetryable):
    """This process stops."""

    def __init__(self) -> None:
        super().__init__("the entry is stopping; ask another entry, or this one after its restart.")


class PromptRejected(OracleFatal):
    """The model cannot read this prompt."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"the prompt is rejected: {rule} Change the prompt and ask again.")


class PromptTooLong(PromptRejected):
    """The prompt has more tokens than the caller allows."""

    def __init__(self, *, tokens: int, limit: int) -> None:
        self.tokens, self.limit = tokens, limit
        super().__init__(f"it has {tokens} tokens, and the limit is {limit}.")


class PromptNotRendered(OracleFatal):
    """The chat template took too long, perhaps because the machine stood still."""

    def __init__(self) -> None:
        super().__init__("the chat template was ended; ask another entry, or this one later.")


class JobCancelled(OracleFatal):
    """The caller cancelled the job."""

    def __init__(self, blocker: Blocker) -> None:
        self.blocker = blocker
        super().__init__(f"the job was cancelled before it finished; it lacked {blocker.value}.")
