# SPDX-License-Identifier: Apache-2.0
"""A file of hosts, read without mercy: an error names the field, what it is, and what it may be."""

import math
import re
from pathlib import Path
from typing import Any

from shard_runtime.errors import HostsInvalid
from shard_tools.plan.hosts import Host
from teetee.protocol.json.strict import parse_object

EXAMPLE = """{"hosts": [
  {"name": "oslo", "memory": "24 GiB", "bandwidth": 12.4, "compute": 45, "entry": true},
  {"name": "bonn", "memory": "16 GiB", "secondsPerLayer": 0.0021, "entry": false, "latency": 8},
  {"name": "graz", "memory": "8 GiB", "bandwidth": 20, "latency": {"oslo": 21.5, "bonn": 9}}
]}"""

_FIELDS = {"name", "memory", "bandwidth", "compute", "secondsPerLayer", "latency", "entry"}
_SPEEDS = ("bandwidth", "compute", "secondsPerLayer")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)\s*")
_MOST_HOSTS = 1_000


def read_hosts(path: Path) -> tuple[Host, ...]:
    """At least one, of different names, one of whom may be an entry. Raises `HostsInvalid`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HostsInvalid(str(path), "the file", error.strerror, "a readable file") from None
    return hosts_from_json(data, str(path))


def hosts_from_json(data: bytes, file: str) -> tuple[Host, ...]:
    """The same from its bytes."""
    found = parse_object(data, lambda name, rule: HostsInvalid(file, name, "not that", rule))
    hosts = found.get("hosts")
    for unknown in found.keys() - {"hosts"}:
        raise HostsInvalid(file, unknown, found[unknown], "no other field than hosts")
    if not isinstance(hosts, list) or not 1 <= len(hosts) <= _MOST_HOSTS:
        raise HostsInvalid(file, "hosts", hosts, f"a list of 1 to {_MOST_HOSTS} hosts")
    read = tuple(_Fields(file, f"hosts[{place}]", each).host() for place, each in enumerate(hosts))
    names = [host.name for host in read]
    for place, host in enumerate(read):
        if host.name in names[:place]:
            raise HostsInvalid(file, f"hosts[{place}].name", host.name, "a name of its own")
        for other in host.latency if isinstance(host.latency, dict) else ():
            if other not in names:
                raise HostsInvalid(file, f"hosts[{place}].latency", other, "another host's name")
    if not any(host.may_enter for host in read):
        raise HostsInvalid(file, "entry", "false for all hosts", "true for one at least")
    return read


class _Fields:
    """Of one host."""

    def __init__(self, file: str, where: str, value: Any) -> None:
        self._file, self._where = file, where
        if not isinstance(value, dict):
            raise HostsInvalid(file, where, value, "an object")
        self._value: dict[str, Any] = value
        for unknown in value.keys() - _FIELDS:
            raise self._wrong(unknown, f"no other field than {', '.join(sorted(_FIELDS))}")

    def host(self) -> Host:
        speeds = {name: self._speed(name) for name in _SPEEDS}
        if not any(speeds.values()):
            raise self._wrong("bandwidth", "it, compute or secondsPerLayer")
        bandwidth, compute = speeds["bandwidth"], speeds["compute"]
        return Host(
            name=self._name(),
            memory=self._memory(),
            bandwidth=bandwidth and bandwidth * 1e9,
            compute=compute and compute * 1e9,
            seconds_per_layer=speeds["secondsPerLayer"],
            latency=self._latency(),
            may_enter=self._entry(),
        )

    def _name(self) -> str:
        name = self._value.get("name")
        if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= 64:
            raise self._wrong("name", "a text of 1 to 64 characters")
        return name

    def _memory(self) -> int:
        match = _SIZE.fullmatch(str(self._value.get("memory")))
        if match is None:
            raise self._wrong("memory", 'a size like "24 GiB" or "512 MB"')
        number, unit = match.groups()
        power = "BKMGT".index(unit[0])
        return int(float(number) * (1024 if "i" in unit else 1000) ** power)

    def _speed(self, name: str) -> float | None:
        if (value := self._value.get(name)) is None:
            return None
        if not _is_number(value) or value <= 0:
            unit = {"bandwidth": " (GB/s)", "compute": " (GFLOP/s)"}.get(name, "")
            raise self._wrong(name, f"a number above 0{unit}")
        return float(value)

    def _latency(self) -> float | dict[str, float]:
        value = self._value.get("latency", 0)
        told = value.values() if isinstance(value, dict) else [value]
        if not all(_is_number(each) and each >= 0 for each in told):
            expected = "a round trip in ms, or an object of names and such numbers"
            raise self._wrong("latency", expected)
        if isinstance(value, dict):
            return {name: each / 1000 for name, each in value.items()}
        return float(value) / 1000

    def _entry(self) -> bool:
        value = self._value.get("entry", True)
        if not isinstance(value, bool):
            raise self._wrong("entry", "true or false")
        return value

    def _wrong(self, name: str, expected: str) -> HostsInvalid:
        return HostsInvalid(self._file, f"{self._where}.{name}", self._value.get(name), expected)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
