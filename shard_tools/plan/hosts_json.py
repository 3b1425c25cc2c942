# SPDX-License-Identifier: Apache-2.0
"""Reads the hosts file strictly: an error names the field, its value and what is expected."""

import math
import re
from pathlib import Path
from typing import Any

from shard_tools.errors import HostsInvalid
from shard_tools.plan.hosts import HostSpec
from teetee.protocol.json.shallow import BYTE_ORDER_MARK
from teetee.protocol.json.strict import parse_object

EXAMPLE = """{"hosts": [
  {"name": "oslo", "memory": "24 GiB", "bandwidth": 12.4, "compute": 45},
  {"name": "bonn", "memory": "16 GiB", "secondsPerLayer": 0.0021,
   "latency": 8, "entry": false},
  {"name": "graz", "memory": "8 GiB", "bandwidth": 20,
   "latency": {"oslo": 21.5, "bonn": 9}}
]}"""
HOSTS_HELP = f"""hosts.json lists the hosts; each needs a name, memory and a speed:
  name             unique
  memory           available to the enclave's process
  bandwidth        speed: memory reads in GB/s
  compute          speed: GFLOP/s
  secondsPerLayer  speed: measured for one token; overrides the other two
  latency          round trip in ms, as shown by ping, to all other hosts or
                   by host name; default 0
  entry            whether the host may be the entry; default true

{EXAMPLE}"""

_FIELDS = {"name", "memory", "bandwidth", "compute", "secondsPerLayer", "latency", "entry"}
_SPEEDS = ("bandwidth", "compute", "secondsPerLayer")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?B|B)\s*")
_MAX_HOSTS = 1_000


def read_hosts(path: Path) -> tuple[HostSpec, ...]:
    """Reads at least one host, with unique names and at least one possible entry.

    Raises `HostsInvalid`.
    """
    try:
        data = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    except OSError as error:
        raise HostsInvalid(str(path), "the file", error.strerror, "a readable file") from None
    return hosts_from_json(data, str(path))


def hosts_from_json(data: bytes, file: str) -> tuple[HostSpec, ...]:
    """The hosts in the content of `file`. Raises `HostsInvalid`."""
    found = parse_object(
        data, lambda name, rule: HostsInvalid(file, name, "invalid", rule.removeprefix("must be "))
    )
    hosts = found.get("hosts")
    for unknown in found.keys() - {"hosts"}:
        raise HostsInvalid(file, unknown, found[unknown], "no field but hosts")
    if not isinstance(hosts, list) or not 1 <= len(hosts) <= _MAX_HOSTS:
        raise HostsInvalid(file, "hosts", hosts, f"a list of 1 to {_MAX_HOSTS} hosts")
    specs = tuple(
        _HostFields(file, f"hosts[{index}]", each).read() for index, each in enumerate(hosts)
    )
    _check_names(specs, file)
    if not any(host.can_be_entry for host in specs):
        raise HostsInvalid(file, "entry", "false for all hosts", "true for at least one")
    return specs


def _check_names(hosts: tuple[HostSpec, ...], file: str) -> None:
    names = [host.name for host in hosts]
    for index, host in enumerate(hosts):
        if host.name in names[:index]:
            raise HostsInvalid(file, f"hosts[{index}].name", host.name, "a unique name")
        for other in host.latency if isinstance(host.latency, dict) else ():
            if other not in names:
                raise HostsInvalid(file, f"hosts[{index}].latency", other, "another host's name")


class _HostFields:
    """The JSON fields of one host."""

    def __init__(self, file: str, location: str, value: Any) -> None:
        self._file, self._location = file, location
        if not isinstance(value, dict):
            raise HostsInvalid(file, location, value, "an object")
        self._value: dict[str, Any] = value
        for unknown in value.keys() - _FIELDS:
            raise self._invalid(unknown, f"no field but {', '.join(sorted(_FIELDS))}")

    def read(self) -> HostSpec:
        speeds = {name: self._speed(name) for name in _SPEEDS}
        if not any(speeds.values()):
            raise self._invalid("bandwidth", "bandwidth, compute or secondsPerLayer")
        bandwidth, compute = speeds["bandwidth"], speeds["compute"]
        return HostSpec(
            name=self._name(),
            memory_bytes=self._memory(),
            bandwidth=bandwidth and bandwidth * 1e9,
            compute=compute and compute * 1e9,
            seconds_per_layer=speeds["secondsPerLayer"],
            latency=self._latency(),
            can_be_entry=self._entry(),
        )

    def _name(self) -> str:
        name = self._value.get("name")
        if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= 64:
            raise self._invalid("name", "a string of 1 to 64 characters")
        return name

    def _memory(self) -> int:
        match = _SIZE.fullmatch(str(self._value.get("memory")))
        if match is None:
            raise self._invalid("memory", 'a size like "24 GiB" or "512 MB"')
        number, unit = match.groups()
        power = "BKMGT".index(unit[0])
        return int(float(number) * (1024 if "i" in unit else 1000) ** power)

    def _speed(self, name: str) -> float | None:
        if (value := self._value.get(name)) is None:
            return None
        if not _is_number(value) or value <= 0:
            unit = {"bandwidth": " (GB/s)", "compute": " (GFLOP/s)"}.get(name, "")
            raise self._invalid(name, f"a number above 0{unit}")
        return float(value)

    def _latency(self) -> float | dict[str, float]:
        value = self._value.get("latency", 0)
        round_trips = value.values() if isinstance(value, dict) else [value]
        if not all(_is_number(each) and each >= 0 for each in round_trips):
            expected = "a round trip in ms, or an object from host names to round trips"
            raise self._invalid("latency", expected)
        if isinstance(value, dict):
            return {name: each / 1000 for name, each in value.items()}
        return float(value) / 1000

    def _entry(self) -> bool:
        value = self._value.get("entry", True)
        if not isinstance(value, bool):
            raise self._invalid("entry", "true or false")
        return value

    def _invalid(self, name: str, expected: str) -> HostsInvalid:
        return HostsInvalid(self._file, f"{self._location}.{name}", self._value.get(name), expected)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
