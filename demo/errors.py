# SPDX-License-Identifier: Apache-2.0
"""The errors that end a demo early.

    TeeTeeError
    └── Fatal
        └── DemoError
            ├── ToolMissing         something that `make setup` installs is missing
            ├── QuestionInvalid     the question is empty
            ├── LayersInvalid       the model has no such layers
            ├── ModelMissing        there are no weights at the given place
            ├── PortInUse           another program uses the named port
            ├── WorldRuns           another world runs in the folder
            ├── WorldStarts         the world in the folder is still starting
            ├── NoWorldRuns         no world runs in the folder
            ├── WorldDidNotStop     the world did not stop in time
            ├── ProcessEnded        a process failed, or ended before it was ready
            ├── ProcessSilent       a process was not ready in time
            ├── ChainRefused        the local chain answered with an error
            └── OutputUnreadable    a process's output is not what its interface promises

`Interrupted` is not an error: a signal asked the demo to stop. It derives from BaseException, so
that no handler on the way takes it for a failure.

No message contains a question, an answer or a key.
"""

from __future__ import annotations

from pathlib import Path

from teetee.errors import Fatal


class DemoError(Fatal):
    """The demo cannot continue; the message says what to do."""


class ToolMissing(DemoError):
    """Something that `make setup` installs is missing."""

    def __init__(self, problem: str, remedy: str = "Run `make setup`.") -> None:
        self.problem = problem
        super().__init__(f"{problem}. {remedy}")


class QuestionInvalid(DemoError):
    """The question is empty."""

    def __init__(self, problem: str) -> None:
        super().__init__(f'The question {problem}. Ask one: make demo QUESTION="What is a TEE?"')


class LayersInvalid(DemoError):
    """The model has no such layers."""

    def __init__(self, text: str, layer_count: int) -> None:
        super().__init__(
            f"{text!r} is not a range of this model's layers. Write FIRST-END, the end not "
            f"included, within 0-{layer_count}: for example `make host LAYERS=8-19`."
        )


class ModelMissing(DemoError):
    """There are no weights at the given place."""

    def __init__(self, place: str, remedy: str) -> None:
        super().__init__(f"There are no model weights at {place}. {remedy}")


class PortInUse(DemoError):
    """Another program uses the named port."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(
            f"Port {port} on 127.0.0.1 is in use by another program. Omit --port to use a free one."
        )


class WorldRuns(DemoError):
    """Another world runs in the folder."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"Another world runs in {directory}. Stop it with Ctrl-C or `python -m demo stop "
            f"--directory {directory}`, or choose another folder with --directory."
        )


class WorldStarts(DemoError):
    """The world in the folder is still starting."""

    def __init__(self, directory: Path, process_id: int) -> None:
        super().__init__(
            f"A world is starting in {directory} (process {process_id}). Call this again when it "
            "is up."
        )


class NoWorldRuns(DemoError):
    """No world runs in the folder."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"No world runs in {directory}. Start one: make world")


class WorldDidNotStop(DemoError):
    """The world did not stop in time."""

    def __init__(self, process_id: int, seconds: float) -> None:
        super().__init__(
            f"Process {process_id} did not stop the world within {seconds:g} s. Look at its "
            "terminal; as a last resort: kill -9 it, and the kernel ends all that it started."
        )


class ProcessEnded(DemoError):
    """A process failed, or ended before it was ready."""

    def __init__(self, name: str, status: int, log: Path, last_output: str = "") -> None:
        self.name, self.status, self.last_output = name, status, last_output
        quoted = "".join(f"\n  | {line}" for line in last_output.splitlines())
        super().__init__(f"{name} {end_text(status)}. Its log: {log}. Its last output:{quoted}")


class ProcessSilent(DemoError):
    """A process was not ready in time."""

    def __init__(self, name: str, seconds: float, awaited: str, log: Path) -> None:
        self.name = name
        super().__init__(
            f"{name} did not reach {awaited} within {seconds:g} s. Its log: {log}. On a busy "
            "machine, try again."
        )


class ChainRefused(DemoError):
    """The local chain answered with an error."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"The local chain refused {method}: {reason}. Its log is chain.log.")


class OutputUnreadable(DemoError):
    """A process's output is not what its interface promises."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"The output of {name} {problem}. This is a bug in TeeTee: please report it."
        )


class Interrupted(BaseException):
    """A signal asked to stop."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"signal {number}")


def end_text(status: int) -> str:
    """How a process ended, by its exit status."""
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
