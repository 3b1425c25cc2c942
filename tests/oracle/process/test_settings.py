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
given a measured file whose digest the compose document states
    it alone should set measured settings, and nothing else
    when its digest differs, or the environment or the host's file set a measured setting
        the start should be refused by name
    when a disk answers otherwise a second time, or the file is no regular one
        what was hashed should be used, or the start be refused
given an unknown TEETEE_ variable
    it should be refused, with the nearest name
given no measured file
    only a simulated machine should start
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from oracle.errors import SettingsInvalid
from oracle.process.settings import KINDS, OPTIONS, SECTIONS, Kind, Settings, variable_of
from oracle.process.settings_reference import describe_measured, describe_settings
from oracle.process.settings_sources import UNMEASURED, read_settings
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
    "TEETEE_SIMULATED": "true",
}
DOCUMENT = json.dumps({"network": "base-sepolia", "chainId": 84532})
MEASURED = {
    "rpc_url": "https://one.invalid/{token:ONE},https://two.invalid",
    "chain_id": 84532,
    "deployment": DOCUMENT,
    "model_id": 1,
    "dtype": "int8",
}
HOSTS = {
    name: GOOD[name]
    for name in ("TEETEE_HOST", "TEETEE_MODEL", "TEETEE_LAYERS", "TEETEE_DATA_DIRECTORY")
} | {"TEETEE_RPC_TOKENS": "ONE=hunter2-key"}


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
            if name != "TEETEE_SIMULATED"
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


HOSTS_LEVERS = {
    "DECLINE_MARGIN_SECONDS": ("9", "31", "100000"),
    "BATCH_WINDOW_SECONDS": ("0", "2.1"),
    "SETTLE_TIMEOUT_SECONDS": ("0", "601"),
    "REFUND_GRACE_SECONDS": ("0", "3601"),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in HOSTS_LEVERS.items() for value in values]
)
def test_b2__host_shifts_when_its_enclave_declines_or_settles__start_is_refused(
    tmp_path: Path, name: str, value: str
) -> None:
    """With a margin of a day, a host's entry ended at once what other entries streamed."""
    file, digest = write_measured(tmp_path)
    assert f"TEETEE_{name}" in refusal(file, digest, **{f"TEETEE_{name}": value})


def test_b2__simulated_machine_with_short_deadlines__may_have_a_short_margin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, TEETEE_DECLINE_MARGIN_SECONDS="3")
    assert read_settings().decline_margin_seconds == 3


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


@pytest.mark.parametrize("value", ["hunter2", "0-hunter2", "hunter2-3", "0-" + "7" * 5000])
def test_read_settings__layers_that_are_no_numbers__are_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    give(monkeypatch, TEETEE_LAYERS=value)
    with pytest.raises(SettingsInvalid, match=r"TEETEE_LAYERS.*must be FIRST-END") as caught:
        read_settings()
    assert value not in str(caught.value)


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
        ("chain_idd (TEETEE_CHAIN_IDD): there is no such setting; did you mean TEETEE_CHAIN_ID?"),
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
        assert words.split("(", 1)[1].startswith(KINDS[name].value)
    assert all(len(line) <= 100 for line in text.splitlines())


# -- who may set what ----------------------------------------------------------------------------


def write_measured(folder: Path, **changes: object) -> tuple[Path, str]:
    """The file and its digest."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in (MEASURED | changes).items()]
    file = folder / "measured.toml"
    file.write_text("\n".join(lines))
    return file, hashlib.sha256(file.read_bytes()).hexdigest()


def refusal(file: Path, digest: str | None, **environment: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(measured=file, digest=digest, environment=HOSTS | environment)
    return "\n".join(caught.value.problems)


def test_h2_kinds__every_setting__has_exactly_one() -> None:
    assert set(KINDS) == set(Settings.model_fields)
    measured = {name for name, kind in KINDS.items() if kind is Kind.MEASURED}
    # What decides whom the enclave believes, and in what precision it computes, is not the host's.
    assert {
        *("rpc_url", "chain_id", "deployment", "model_id", "dtype", "confirmations"),
        *("stale_head_seconds", "simulated", "keys_directory"),
    } <= measured


def test_h2_read_settings__measured_file__sets_what_is_measured(tmp_path: Path) -> None:
    file, digest = write_measured(tmp_path)
    settings = read_settings(measured=file, digest=f"sha256:{digest}", environment=HOSTS)
    assert (settings.chain_id, settings.dtype, settings.deployment) == (84532, "int8", DOCUMENT)
    assert settings.layers == LayerRange(0, 15)
    assert not settings.simulated
    assert settings.rpc_urls() == ["https://one.invalid/hunter2-key", "https://two.invalid"]
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "name", [variable_of(name) for name, kind in KINDS.items() if kind is Kind.MEASURED]
)
def test_h2_read_settings__environment_sets_what_is_measured__is_refused_by_name(
    tmp_path: Path, name: str
) -> None:
    file, digest = write_measured(tmp_path)
    problems = refusal(file, digest, **{name: "1"})
    assert f"({name}): is measured; the environment must not set it" in problems


def test_h2_read_settings__hosts_file_sets_what_is_measured__is_refused(tmp_path: Path) -> None:
    file, digest = write_measured(tmp_path)
    hosts = tmp_path / "host.toml"
    hosts.write_text("dtype = 'float32'\ncache_bytes = 2000000")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(hosts, measured=file, digest=digest, environment=HOSTS)
    assert caught.value.problems == (f"dtype (TEETEE_DTYPE): is measured; {hosts} must not set it",)


def test_h2_read_settings__measured_file_sets_what_is_the_hosts__is_refused(tmp_path: Path) -> None:
    file, digest = write_measured(tmp_path, cache_bytes=1 << 30)
    assert "is the host's; the measured file must not set it" in refusal(file, digest)


def test_m14_read_settings__another_digest__is_refused(tmp_path: Path) -> None:
    file, digest = write_measured(tmp_path)
    file.write_text(file.read_text().replace("84532", "8453"))
    assert "another digest than the compose document states" in refusal(file, digest)
    assert "needs --digest" in refusal(file, None)


def test_m14_read_settings__deployment_is_a_path__is_refused(tmp_path: Path) -> None:
    file, digest = write_measured(tmp_path, deployment="/data/deployment.json")
    assert "must be the JSON document itself" in refusal(file, digest)


def test_m14_read_settings__no_measured_file__only_a_simulated_machine_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch)
    assert read_settings().simulated
    monkeypatch.setenv("TEETEE_SIMULATED", "false")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings()
    assert caught.value.problems == (UNMEASURED,)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TEETEE_NATIVE_LIBRARY", ""),
        ("TEETEE_STALE_HEAD_SECOND", "did you mean TEETEE_STALE_HEAD_SECONDS?"),
        ("TEETEE_PRIVATE_KEY", ""),
    ],
)
def test_h3_read_settings__unknown_variable__is_refused_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    give(monkeypatch, **{name: "/data/evil.so"})
    with pytest.raises(SettingsInvalid) as caught:
        read_settings()
    (problem,) = caught.value.problems
    assert f"({name}): there is no such setting" in problem
    assert hint in problem
    assert "evil" not in problem


@pytest.mark.parametrize("tokens", ["", "TWO=x"])
def test_read_settings__token_is_missing__names_it(tmp_path: Path, tokens: str) -> None:
    file, digest = write_measured(tmp_path)
    problems = refusal(file, digest, TEETEE_RPC_TOKENS=tokens)
    assert problems == "TEETEE_RPC_TOKENS lacks ONE, which rpc_url names"


@pytest.mark.parametrize("tokens", ["ONE=a/b", "ONE=evil.invalid", "ONE", "ONE=a,", "=a"])
def test_read_settings__token_of_another_form__is_refused_without_its_value(
    tmp_path: Path, tokens: str
) -> None:
    file, digest = write_measured(tmp_path)
    problems = refusal(file, digest, TEETEE_RPC_TOKENS=tokens)
    assert "must be NAME=TOKEN" in problems
    assert "evil" not in problems


def test_m14_describe_measured__file__gives_the_digest_for_the_compose_document(
    tmp_path: Path,
) -> None:
    file, digest = write_measured(tmp_path)
    assert describe_measured(file) == f"{file}: sha256:{digest}"
    file.write_text("layers = '0-3'")
    with pytest.raises(SettingsInvalid):
        describe_measured(file)


# -- read once -----------------------------------------------------------------------------------


def test_a2__disk_answers_differently_the_second_time__what_was_hashed_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, digest = write_measured(tmp_path)
    opened = os.open

    def open_and_replace(path: Any, *arguments: Any, **options: Any) -> int:
        descriptor = opened(path, *arguments, **options)
        if path == file:
            file.unlink()
            write_measured(tmp_path, model_id=2, simulated=True)
        return descriptor

    monkeypatch.setattr(os, "open", open_and_replace)
    settings = read_settings(measured=file, digest=digest, environment=HOSTS)
    assert (settings.model_id, settings.simulated) == (1, False)
    monkeypatch.undo()
    assert "model_id = 2" in file.read_text()  # what a second reader would have found


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a2__measured_file_is_no_regular_file__is_refused_at_once(
    tmp_path: Path, kind: str
) -> None:
    file = Path("/dev/zero") if kind == "device" else tmp_path / "measured.toml"
    if kind == "pipe":
        os.mkfifo(file)
    if kind == "folder":
        file.mkdir()
    for problem in (
        refusal(file, hashlib.sha256(b"").hexdigest()),
        *_problems_of(lambda: describe_measured(file)),
        *_problems_of(lambda: read_settings(file, environment=HOSTS)),
    ):
        assert problem in (f"{file}: must be a regular file", f"{file}: cannot be read")


def _problems_of(action: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(SettingsInvalid) as caught:
        action()
    return caught.value.problems
