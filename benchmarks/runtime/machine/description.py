# SPDX-License-Identifier: Apache-2.0
"""On what and with what a run was made."""

import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
"""Of a processor, that matter to arithmetic; named where they are there."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts that a figure means nothing without."""

    date: str
    processor: str
    cores: int
    instructions: tuple[str, ...]
    memory_bytes: int
    system: str
    versions: dict[str, str]

    @classmethod
    def here(cls) -> "Machine":
        """This one, now."""
        cpu = _first_processor()
        flags = set(cpu.get("flags", "").split())
        model = f"{cpu.get('model name', platform.processor() or platform.machine())}"
        if "cpu family" in cpu:
            model += f" (family {cpu['cpu family']}, model {cpu['model']})"
        affinity = getattr(os, "sched_getaffinity", None)
        return cls(
            date=datetime.now(tz=UTC).isoformat(timespec="seconds"),
            processor=model,
            cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
            instructions=tuple(each for each in INSTRUCTIONS if each in flags),
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            system=f"{platform.system()} {platform.release()}",
            versions=_versions(),
        )

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def busy_share(seconds: float) -> float | None:
    """How much of all cores' time somebody uses while we only wait; None where there is no /proc.

    Not the load average, which remembers what we did ourselves.
    """
    before = _processor_ticks()
    time.sleep(seconds)
    after = _processor_ticks()
    if before is None or after is None or after[1] <= before[1]:
        return None
    return round(1 - (after[0] - before[0]) / (after[1] - before[1]), 3)


def _processor_ticks() -> tuple[int, int] | None:
    """(idle, all) of all cores since the machine started."""
    path = Path("/proc/stat")
    if not path.is_file():
        return None
    ticks = [int(each) for each in path.read_text().partition("\n")[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def _first_processor() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text().partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "teetee": _commit()}
    for package in ("torch", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """Of this checkout; with + if something in it is not committed."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
