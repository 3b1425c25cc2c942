"""On what and with what a run was made."""

import os
import platform
import subprocess
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


def load_average() -> float:
    """Of the last minute."""
    return round(os.getloadavg()[0], 2)


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
