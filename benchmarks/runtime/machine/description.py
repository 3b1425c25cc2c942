# SPDX-License-Identifier: Apache-2.0
"""Describes the machine and the software versions of a run."""

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
"""Instruction sets that matter for arithmetic; reported if present."""


@dataclass(frozen=True, slots=True)
class MachineDescription:
    """The facts needed to interpret a figure."""

    date: str
    processor: str
    cores: int
    instructions: tuple[str, ...]
    memory_bytes: int
    system: str
    versions: dict[str, str]

    @classmethod
    def of_this_machine(cls) -> "MachineDescription":
        """This machine, now."""
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
        """All fields."""
        return asdict(self)


def busy_share(seconds: float) -> float | None:
    """The share of all cores' time that other processes use while this one sleeps; None where there
    is no /proc.

    The load average would also count this process's own recent work.
    """
    before = _processor_ticks()
    time.sleep(seconds)
    after = _processor_ticks()
    if before is None or after is None or after[1] <= before[1]:
        return None
    return round(1 - (after[0] - before[0]) / (after[1] - before[1]), 3)


def _processor_ticks() -> tuple[int, int] | None:
    """(idle, total) ticks of all cores since boot."""
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
    """This checkout's commit, with + if it has uncommitted changes."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
