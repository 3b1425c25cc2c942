# SPDX-License-Identifier: Apache-2.0
"""Reads the settings: the measured file, the host's file, and the environment (prefix TEETEE_).

Each source may set only what its kind of setting allows:

    measured file (--measured, with its --digest)   measured settings
    host's file (--settings)                        the host's settings and secrets
    environment                                     the same, and wins over the host's file

Without a measured file the process starts on a simulated machine only; then every source may set
everything. All missing, unknown, misplaced and invalid settings are reported together, and never
with their values: a token of an RPC node is a password.
"""

import hashlib
import os
import stat
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from oracle.errors import SettingsInvalid
from oracle.process.settings import KINDS, OPTIONS, PREFIX, Kind, Settings, variable_of

MAX_FILE_BYTES = 1 << 20
MAX_HINTS = 10
"""Unknown names for which a near one is searched."""
MAX_HINTED_CHARACTERS = 64

UNMEASURED = (
    "measured settings must come from a file that the compose document names: --measured FILE"
    " --digest SHA256. Only a simulated machine (TEETEE_SIMULATED=true) starts without one"
)

Values = dict[str, Any]
"""By variable: TEETEE_… → value."""
_FIELDS = {variable_of(name): name for name in Settings.model_fields}
"""Variable → the setting's name."""


def read_settings(
    file: Path | None = None,
    *,
    measured: Path | None = None,
    digest: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this process. `digest`: of the measured file, from the compose document.

    Raises:
        SettingsInvalid: names every problem.
    """
    environment = os.environ if environment is None else environment
    given = {name: text for name, text in environment.items() if name.startswith(PREFIX)}
    of_file = {} if file is None else _parse(file, _read_bytes(file))
    of_measured = {} if measured is None else _read_measured(measured, digest)
    problems = _unknown(given | of_file | of_measured)
    if measured is not None:
        problems += _misplaced(of_measured, {Kind.MEASURED}, "the measured file")
        allowed = {Kind.HOST, Kind.SECRET}
        problems += _misplaced(given, allowed, "the environment")
        problems += _misplaced(of_file, allowed, f"{file}")
    if problems:
        raise SettingsInvalid(sorted(problems))
    settings = _validate(of_file | given | of_measured)
    _check_mode(settings, is_measured=measured is not None)
    return settings


def measured_digest(file: Path) -> str:
    """The digest of a measured file, as a compose document must state it.

    Raises `SettingsInvalid` if the file sets what is unknown or not measured.
    """
    content = _read_bytes(file)
    values = _parse(file, content)
    problems = [*_unknown(values), *_misplaced(values, {Kind.MEASURED}, "the measured file")]
    if problems:
        raise SettingsInvalid(sorted(problems))
    return hashlib.sha256(content).hexdigest()


def _check_mode(settings: Settings, *, is_measured: bool) -> None:
    if not is_measured and not settings.simulated:
        raise SettingsInvalid([UNMEASURED])
    if is_measured and not settings.deployment.lstrip().startswith("{"):
        raise SettingsInvalid(
            ["deployment (TEETEE_DEPLOYMENT): must be the JSON document itself, not a path"]
        )


def _read_measured(file: Path, digest: str | None) -> Values:
    if digest is None:
        raise SettingsInvalid([f"{file}: needs --digest, its SHA-256 from the compose document"])
    # Read once: a disk of the host's could answer differently the second time.
    content = _read_bytes(file)
    expected = digest.lower().removeprefix("sha256:").removeprefix("0x")
    if hashlib.sha256(content).hexdigest() != expected:
        raise SettingsInvalid([f"{file}: has another digest than the compose document states"])
    return _parse(file, content)


def _unknown(values: Values) -> list[str]:
    problems = []
    for number, variable in enumerate(sorted(values.keys() - _FIELDS.keys())):
        # A search takes a millisecond, and a file may have tens of thousands of names.
        is_searched = number < MAX_HINTS and len(variable) <= MAX_HINTED_CHARACTERS
        near = get_close_matches(variable, _FIELDS, n=1) if is_searched else []
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.append(f"{_named(variable)}: there is no such setting{hint}")
    return problems


def _misplaced(values: Values, allowed: set[Kind], where: str) -> list[str]:
    kinds = {name: KINDS[_FIELDS[name]] for name in values if name in _FIELDS}
    return [
        f"{_named(variable)}: is {_NOUNS[kind]}; {where} must not set it"
        for variable, kind in kinds.items()
        if kind not in allowed
    ]


_NOUNS = {Kind.MEASURED: "measured", Kind.HOST: "the host's", Kind.SECRET: "a secret"}


def _named(variable: str) -> str:
    return f"{variable.removeprefix(PREFIX).lower()} ({variable})"


def _validate(values: Values) -> Settings:
    aliased = {name for name, field in Settings.model_fields.items() if field.validation_alias}
    arguments = {
        variable if _FIELDS[variable] in aliased else _FIELDS[variable]: value
        for variable, value in values.items()
    }
    try:
        return Settings(**arguments)
    except ValidationError as error:
        # `from None`: pydantic's message shows the values.
        raise SettingsInvalid(_problems(error)) from None


def _read_bytes(file: Path) -> bytes:
    """The whole of a regular file: a pipe or a device gives each reader what it likes."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SettingsInvalid([f"{file}: must be a regular file"])
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError:
        raise SettingsInvalid([f"{file}: cannot be read"]) from None
    if len(content) > MAX_FILE_BYTES:
        raise SettingsInvalid([f"{file}: has more than {MAX_FILE_BYTES} bytes"])
    return content


def _parse(file: Path, content: bytes) -> Values:
    try:
        text = content.decode("utf-8")
        if file.suffix == ".toml":
            return {PREFIX + name.upper(): value for name, value in tomllib.loads(text).items()}
    except (ValueError, RecursionError):
        raise SettingsInvalid([f"{file}: is not TOML"]) from None
    # A .env file may set other programs' variables too; every TEETEE_ variable is checked.
    lines = dotenv_values(stream=StringIO(text), interpolate=False)
    return {name: value for name, value in lines.items() if name.startswith(PREFIX)}


def _problems(error: ValidationError) -> list[str]:
    """Each problem with the setting's name in a file, its variable and the command's option."""
    problems = []
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in fault["loc"]).upper()
        text = (
            "is missing"
            if fault["type"] == "missing"
            else fault["msg"].removeprefix("Value error, ")
        )
        if not place:
            problems.append(text)
            continue
        variable = place if place.startswith(PREFIX) else PREFIX + place
        option = OPTIONS.get(_FIELDS.get(variable, ""))
        command = f", or `teetee host run {option}`" if option else ""
        name = variable.removeprefix(PREFIX).lower()
        problems.append(f"{name} ({variable}{command}): {text[0].lower()}{text[1:]}")
    return sorted(problems)
