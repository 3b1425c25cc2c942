# SPDX-License-Identifier: Apache-2.0
"""Reading a hosts file.

given the example of `plan --help`
    it should read every field in its unit
given a field that is wrong, missing or unknown
    it should name the field, its value and what is expected
"""

import json
from pathlib import Path
from typing import Any

import pytest

from shard_tools.errors import HostsInvalid
from shard_tools.plan.hosts import HostSpec, one_way_seconds
from shard_tools.plan.hosts_json import EXAMPLE, hosts_from_json, read_hosts

GIB = 1 << 30


def read(*hosts: Any, **others: Any) -> tuple[HostSpec, ...]:
    return hosts_from_json(json.dumps({"hosts": list(hosts)} | others).encode(), "hosts.json")


def entry(**changes: Any) -> dict[str, Any]:
    values = {"name": "oslo", "memory": "24 GiB", "bandwidth": 12.5} | changes
    return {name: value for name, value in values.items() if value is not None}


def test_hosts_from_json__the_example__is_read_with_its_units() -> None:
    oslo, bonn, graz = hosts_from_json(EXAMPLE.encode(), "example")
    assert oslo == HostSpec("oslo", 24 * GIB, 12.4e9, 45e9, None, 0.0, True)
    assert bonn == HostSpec("bonn", 16 * GIB, None, None, 0.0021, 0.008, False)
    assert graz == HostSpec(
        "graz", 8 * GIB, 20e9, None, None, {"oslo": 0.0215, "bonn": 0.009}, True
    )
    assert one_way_seconds(oslo, graz) == one_way_seconds(graz, oslo) == 0.0215 / 2
    assert one_way_seconds(oslo, bonn) == 0.004
    assert one_way_seconds(oslo, oslo) == 0


@pytest.mark.parametrize(
    ("memory", "size"),
    [("1 GiB", GIB), ("1.5GiB", 3 * GIB // 2), ("2 GB", 2 * 10**9), ("512 MiB", 512 << 20)],
)
def test_hosts_from_json__memory__has_its_unit(memory: str, size: int) -> None:
    assert read(entry(memory=memory))[0].memory_bytes == size


@pytest.mark.parametrize(
    ("hosts", "field", "value"),
    [
        pytest.param([entry(memory="24")], "hosts[0].memory", "24", id="no unit"),
        pytest.param([entry(memory=None)], "hosts[0].memory", None, id="no memory"),
        pytest.param([entry(), entry()], "hosts[1].name", "oslo", id="same name"),
        pytest.param([entry(name="")], "hosts[0].name", "", id="no name"),
        pytest.param([entry(bandwidth=0)], "hosts[0].bandwidth", 0, id="no speed"),
        pytest.param([entry(bandwidth=None)], "hosts[0].bandwidth", None, id="no speed given"),
        pytest.param([entry(compute="9")], "hosts[0].compute", "9", id="text"),
        pytest.param([entry(latency=-1)], "hosts[0].latency", -1, id="negative latency"),
        pytest.param([entry(latency={"rom": 1})], "hosts[0].latency", "rom", id="unknown host"),
        pytest.param([entry(entry="yes")], "hosts[0].entry", "yes", id="not a boolean"),
        pytest.param([entry(entry=False)], "entry", "false for all hosts", id="no entry"),
        pytest.param([entry(banwidth=1)], "hosts[0].banwidth", 1, id="unknown field"),
        pytest.param([7], "hosts[0]", 7, id="no object"),
        pytest.param([], "hosts", [], id="no hosts"),
    ],
)
def test_hosts_from_json__wrong__names_field_value_and_what_is_expected(
    hosts: list[Any], field: str, value: object
) -> None:
    with pytest.raises(HostsInvalid) as caught:
        read(*hosts)
    assert (caught.value.file, caught.value.field, caught.value.value) == (
        "hosts.json",
        field,
        value,
    )
    assert "; expected " in str(caught.value)


def test_hosts_from_json__unknown_field_beside_hosts__is_rejected() -> None:
    with pytest.raises(HostsInvalid, match="latency is 3"):
        read(entry(), latency=3)


def test_read_hosts__byte_order_mark__is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "hosts.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"hosts": [entry()]}).encode())
    assert len(read_hosts(path)) == 1


def test_read_hosts__no_file_or_no_json__says_so(tmp_path: Path) -> None:
    with pytest.raises(HostsInvalid, match="No such file"):
        read_hosts(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(HostsInvalid, match=r"invalid'; expected one JSON value"):
        read_hosts(tmp_path / "bad.json")
