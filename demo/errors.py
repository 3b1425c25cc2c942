# SPDX-License-Identifier: Apache-2.0
"""Why a demo stops before its end.

    TeeTeeError
    └── Fatal
        └── DemoError
            ├── Unprepared          something that `make setup` brings is missing
            ├── QuestionInvalid     nothing was asked, or more than fits
            ├── ModelMissing        no weights where they were looked for
            ├── PortInUse           the named port belongs to another program
            ├── AnotherDemoRuns     the folder belongs to a demo that still runs
            ├── ProcessEnded        a process went away before it was ready, or failed
            ├── ProcessSilent       a process did not get ready in time
            ├── ChainRefused        the local chain answered with an error
            └── OutputUnreadable    a process said something else than its interface promises

`Interrupted` is no error: a signal asked the demo to stop. It derives from BaseException, so that
nothing on the way takes it for a phase's failure.

No message holds a question, an answer or a key.
"""

from __future__ import annotations

from pathlib import Path

from teetee.errors import Fatal


class DemoError(Fatal):
    """The demo cannot go on; the message says what to do."""


class Unprepared(DemoError):
    """A tool is missing that `make setup` installs."""

    def __init__(self, what: str, remedy: str = "Run `make setup`.") -> None:
        self.what = what
        super().__init__(f"{what}. {remedy}")


class QuestionInvalid(DemoError):
    """Nothing to ask."""

    def __init__(self, rule: str) -> None:
        super().__init__(f'The question {rule}. Ask one: make demo QUESTION="What is a TEE?"')


class ModelMissing(DemoError):
    """No model weights."""

    def __init__(self, place: str, remedy: str) -> None:
        super().__init__(f"There are no model weights at {place}. {remedy}")


class PortInUse(DemoError):
    """Another program listens there."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(
            f"Port {port} on 127.0.0.1 is in use by another program. Leave --port out, and a free "
            "one is taken."
        )


class AnotherDemoRuns(DemoError):
    """Two demos cannot share a folder."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"Another demo is using {directory}. Wait for its end, stop it with Ctrl-C, or name "
            "another folder with --directory."
        )


class ProcessEnded(DemoError):
    """A process that should have gone on, or succeeded, did not."""

    def __init__(self, name: str, status: int, log: Path, said: str = "") -> None:
        self.name, self.status, self.said = name, status, said
        ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        quoted = "".join(f"\n  | {line}" for line in said.splitlines())
        super().__init__(f"{name} {ended}. Its log is {log}; the last it said:{quoted}")


class ProcessSilent(DemoError):
    """A process took too long."""

    def __init__(self, name: str, seconds: float, awaited: str, log: Path) -> None:
        self.name = name
        super().__init__(
            f"{name} did not come to {awaited} within {seconds:g} s. Its log is {log}; a machine "
            "under load may need another try."
        )


class ChainRefused(DemoError):
    """The local chain did not do what it was asked."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"The local chain refused {method}: {reason}. Its log is chain.log.")


class OutputUnreadable(DemoError):
    """A program's output is not what its interface promises."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(
            f"The output of {name} {rule}. This is a fault of TeeTee: report it, please."
        )


class Interrupted(BaseException):
    """A signal asked to stop."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"signal {number}")
