# SPDX-License-Identifier: Apache-2.0
"""The settings.

given names that are missing or wrong, wherever they come from
    it should report all of them at once, by name, and none of their values
given a bound of the runtime that cannot be meant
    it should be named
given a file and the environment
    the environment should win; a file's unknown name should be reported
given good settings
    they should be frozen, and show no secret
"""

from pathlib import Path

import pytest
from pydantic import ValidationError

from oracle.errors import SettingsInvalid
from oracle.process.settings import (
    OPTIONS,
    SECTIONS,
    Settings,
    describe_settings,
    read_settings,
    variable_of,
)
from teetee.protocol.layers import LayerRange

SECRET_URL = "https://user:hunter2@rpc.invalid/key-123"
GOOD = {
    "TEETEE_RPC_URL": SECRET_URL,
    "TEETEE_CHAIN_ID": "84532",
    "TEETEE_DEPLOYMENT": "deployments/base-sepolia.json",
    "TEETEE_HOST": "0x0000000000000000000000000000000000001234",
    "TEETEE_MODEL_ID": "1",
    "TEETEE_MODEL": "model.gguf",
    "TEETEE_LAYERS": "0-15",
    "TEETEE_DATA_DIRECTORY": "/data",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)


def give(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in (GOOD | changes).items():
        monkeypatch.setenv(name, value)


def command_for(variable: str) -> str:
    option = OPTIONS.get(variable.removeprefix("TEETEE_").lower())
    return f", or `teetee host run {option}`" if option else ""


def test_read_settings__nothing_is_set__names_all_that_is_required() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        read_settings()
    assert caught.value.problems == tuple(
        sorted(
            f"{name.removeprefix('TEETEE_').lower()} ({name}{command_for(name)}): is missing"
            for name in GOOD
        )
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("CACHE_BYTES", "1000"), ("BUSY_WAIT_SECONDS", "-1"), ("BUSY_WAIT_SECONDS", "60")],
)
def test_read_settings__bound_of_the_runtime_is_out_of_bounds__is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    give(monkeypatch, **{f"TEETEE_{name}": value})
    with pytest.raises(SettingsInvalid, match=f"TEETEE_{name}"):
        read_settings()


def test_read_settings__several_are_wrong__reports_each_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, TEETEE_LAYERS="9-3", TEETEE_HOST="0xabc-secret", TEETEE_LISTEN_PORT="70000")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings()
    assert caught.value.problems == (
        "host (TEETEE_HOST, or `teetee host run --keystore`): must be a checksummed address",
        "layers (TEETEE_LAYERS, or `teetee host run --layers`): must satisfy 0 <= FIRST < END",
        (
            "listen_port (TEETEE_LISTEN_PORT, or `teetee host run --port`): "
            "input should be less than or equal to 65535"
        ),
    )
    assert "secret" not in str(caught.value)


def test_read_settings__more_at_once_than_held__is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, TEETEE_REQUESTS_AT_ONCE="8", TEETEE_REQUESTS_HELD="4")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings()
    assert caught.value.problems == (
        "TEETEE_REQUESTS_AT_ONCE must not exceed TEETEE_REQUESTS_HELD",
    )


def test_read_settings__all_good__is_typed_frozen_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch)
    settings = read_settings()
    assert settings.layers == LayerRange(0, 15)
    assert settings.rpc_url.get_secret_value() == SECRET_URL
    assert "hunter2" not in repr(settings)
    assert "key-123" not in str(settings.model_dump())
    with pytest.raises(ValidationError):
        settings.chain_id = 1


@pytest.mark.parametrize("suffix", ["toml", "env"])
def test_read_settings__file_and_environment__environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"settings.{suffix}"
    lines = {
        "toml": [
            f'{name.removeprefix("TEETEE_").lower()} = "{value}"' for name, value in GOOD.items()
        ],
        "env": [f"{name}={value}" for name, value in GOOD.items()] + ["OTHER_PROGRAM=1"],
    }
    file.write_text("\n".join(lines[suffix]))
    monkeypatch.setenv("TEETEE_CHAIN_ID", "8453")
    settings = read_settings(file)
    assert (settings.chain_id, settings.model_id) == (8453, 1)


@pytest.mark.parametrize("suffix", ["toml", "env"])
def test_read_settings__attribute_has_another_name_than_its_variable__reads_it_from_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
) -> None:
    give(monkeypatch)
    file = tmp_path / f"settings.{suffix}"
    lines = {
        "toml": ["requests_at_once = 2", "streams_at_once = 3"],
        "env": ["TEETEE_REQUESTS_AT_ONCE=2", "TEETEE_STREAMS_AT_ONCE=3"],
    }
    file.write_text("\n".join(lines[suffix]))
    monkeypatch.setenv("TEETEE_STREAMS_AT_ONCE", "5")
    monkeypatch.setenv("TEETEE_REQUESTS_HELD", "7")
    settings = read_settings(file)
    assert (settings.max_concurrent_requests, settings.max_active_requests) == (2, 7)
    assert settings.max_streams == 5


@pytest.mark.parametrize(
    ("suffix", "line"), [("toml", "chain_idd = 1"), ("env", "TEETEE_CHAIN_IDD=1")]
)
def test_read_settings__unknown_name_in_a_file__is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str, line: str
) -> None:
    give(monkeypatch)
    file = tmp_path / f"settings.{suffix}"
    file.write_text(line)
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(file)
    assert caught.value.problems == (
        "chain_idd (TEETEE_CHAIN_IDD): extra inputs are not permitted",
    )


def test_read_settings__file_is_missing_or_broken__says_which(tmp_path: Path) -> None:
    missing, broken = tmp_path / "absent.env", tmp_path / "broken.toml"
    broken.write_text("rpc_url = ")
    for file, problem in ((missing, "cannot be read"), (broken, "is not TOML")):
        with pytest.raises(SettingsInvalid) as caught:
            read_settings(file)
        assert caught.value.problems == (f"{file}: {problem}",)


def test_describe_settings__every_field__is_described_in_its_section_with_its_default() -> None:
    text = describe_settings()
    sections = text.split("\n\n")[1:]
    assert [section.splitlines()[0] for section in sections] == list(SECTIONS.values())
    for name, field in Settings.model_fields.items():
        (described,) = [
            entry
            for section in sections
            for entry in section.split("\n  TEETEE_")
            if entry.split()[0] == variable_of(name).removeprefix("TEETEE_")
        ]
        words = " ".join(described.split())
        assert field.description
        assert field.description in words
        assert ("Required." in words) == field.is_required()
        assert OPTIONS.get(name, "") in words
    assert all(len(line) <= 100 for line in text.splitlines())
