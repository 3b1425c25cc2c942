# SPDX-License-Identifier: Apache-2.0
"""The settings of `python -m oracle`: the measured file, the host's file and the environment.

The first byte of an input says which of them the rest is. No error may show a value.
"""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from oracle.errors import SettingsInvalid
from oracle.process.settings import Settings, variable_of
from oracle.process.settings_sources import read_settings
from tests.fuzzing.memory_files import memory_folder
from tests.fuzzing.target import Target

MEASURED, TOML, DOTENV, ENVIRONMENT = b"mtde"
"""The first byte."""

SECRET = "hunter2"
VARIABLES = tuple(variable_of(name) for name in Settings.model_fields)
logging.getLogger("dotenv").setLevel(logging.ERROR)  # it warns of each malformed line
_FOLDER = memory_folder("settings")
_MEASURED = _FOLDER / "measured.toml"
_FILES = {bytes([TOML]): _FOLDER / "settings.toml", bytes([DOTENV]): _FOLDER / "settings.env"}

_HOSTS: Mapping[str, Any] = {
    "host": "0x0000000000000000000000000000000000001234",
    "model": "model.gguf",
    "layers": "0-15",
    "data_directory": "/data",
    "rpc_tokens": f"ONE={SECRET}",
}
_PUBLISHERS: Mapping[str, Any] = {
    "rpc_url": "https://one.invalid/{token:ONE},https://two.invalid",
    "chain_id": "84532",
    "deployment": '{"chainId":1}',
    "model_id": "1",
}
_ALL: Mapping[str, Any] = {
    **_HOSTS,
    **_PUBLISHERS,
    "simulated": "true",
    "is_entry": "true",
    "dtype": "int8",
    "poll_seconds": "0.5",
}
_HOSTS_ENVIRONMENT = {f"TEETEE_{name.upper()}": value for name, value in _HOSTS.items()}


def run(data: bytes) -> None:
    """A problem names the setting, never its value; a secret is never shown."""
    what, rest = data[:1], data[1:]
    if what == bytes([MEASURED]):
        _MEASURED.write_bytes(rest)
        digest = hashlib.sha256(rest).hexdigest()
        settings = read_settings(measured=_MEASURED, digest=digest, environment=_HOSTS_ENVIRONMENT)
    elif what in _FILES:
        _FILES[what].write_bytes(rest)
        settings = read_settings(_FILES[what], environment={})
    else:
        settings = _from_environment(rest)
    assert SECRET not in repr((settings.rpc_url, settings.rpc_tokens))
    assert settings.rpc_urls()


def seeds() -> Mapping[str, bytes]:
    """The required settings in all forms, and some others."""
    lines = "".join(f"TEETEE_{name.upper()}={value}\n" for name, value in _ALL.items())
    numbered = "".join(
        f"{VARIABLES.index(f'TEETEE_{name.upper()}')}={value}\n" for name, value in _ALL.items()
    )
    return {
        "measured": bytes([MEASURED]) + _toml(_PUBLISHERS),
        "toml": bytes([TOML]) + _toml(_ALL),
        "toml-types": bytes([TOML]) + _toml(_ALL).replace(b"'84532'", b"84_532"),
        "dotenv": bytes([DOTENV]) + b"# a comment\nexport OTHER='x'\n" + lines.encode(),
        "environment": bytes([ENVIRONMENT]) + numbered.encode(),
    }


def _toml(values: Mapping[str, Any]) -> bytes:
    return "".join(f"{name} = '{value}'\n" for name, value in values.items()).encode()


def _from_environment(text: bytes) -> Settings:
    """From lines of `number=value`; the number chooses one of the variables."""
    environment = {}
    for line in text.split(b"\n"):
        number, _, value = line.partition(b"=")
        if number.isdigit() and len(number) < 4:
            name = VARIABLES[int(number) % len(VARIABLES)]
            # As os.environ decodes it.
            environment[name] = value.decode(errors="surrogateescape")
    try:
        return read_settings(environment=environment)
    except SettingsInvalid as error:
        # The names of tokens are part of a URL, and are shown.
        shown = (each for each in error.problems if not each.startswith("TEETEE_RPC_TOKENS lacks"))
        assert not any(SECRET in each for each in shown)
        raise


TARGET = Target(
    name="settings",
    summary="settings files and variables: oracle/process/settings_sources.py, settings.py",
    run=run,
    errors=(SettingsInvalid,),
    seeds=seeds,
    max_bytes=2048,
    words=(
        *(f"{name.removeprefix('TEETEE_').lower()} = ".encode() for name in VARIABLES),
        *(f"TEETEE_{name.upper()}=".encode() for name in _ALL),
        *(b"nan", b"inf", b"1e999", b"true", b"'''", b'"""', b"[[", b"{}", b"1979-05-27", b"\\u"),
        *(SECRET.encode(), b"export ", b"${", b"0x", b"_0", b"float32", b"1-0", b"\xed\xa0\x80"),
        *(b"{token:ONE}", b"http://[", b"https://", b":99999", b"ONE=", b"TEETEE_"),
    ),
)
