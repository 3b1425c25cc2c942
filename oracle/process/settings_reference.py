# SPDX-License-Identifier: Apache-2.0
"""The reference of all settings, as text for a terminal."""

import textwrap
from pathlib import Path

from oracle.process.settings import KINDS, OPTIONS, SECTIONS, Settings, variable_of
from oracle.process.settings_sources import measured_digest

TEXT_WIDTH = 100

INTRODUCTION = (
    "Settings of `python -m oracle run`. Measured settings come from the file given with"
    " --measured, whose --digest stands in the compose document. The host's settings and secrets"
    " are environment variables, or lines of the file given with --settings: TOML with lower-case"
    " names without TEETEE_, or a .env file; environment variables take precedence. A simulated"
    " machine needs no measured file. In parentheses: kind, and the option of `teetee host run`."
)


def describe_settings() -> str:
    """Every setting with its kind, description and default."""
    lines = textwrap.wrap(INTRODUCTION, TEXT_WIDTH)
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            lines += ["", SECTIONS[name]]
        option = f", {OPTIONS[name]}" if name in OPTIONS else ""
        lines.append(f"  {variable_of(name)} ({KINDS[name].value}{option})")
        default = "Required." if field.is_required() else f"Default: {_shown(field.default)}."
        lines += textwrap.wrap(
            f"{field.description} {default}",
            TEXT_WIDTH,
            initial_indent=" " * 6,
            subsequent_indent=" " * 6,
        )
    return "\n".join(lines)


def describe_measured(file: Path) -> str:
    """The digest of a measured file, as `--digest` takes it. Raises `SettingsInvalid`."""
    return f"{file}: sha256:{measured_digest(file)}"


def _shown(default: object) -> str:
    if default is None or not str(default):
        return "not set"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)
