# SPDX-License-Identifier: Apache-2.0
"""An endpoint's server name, which a gateway before the enclave routes by.

given a DNS name
    it should be the server name
given an address, or what is no name
    there should be none
"""

import pytest

from teetee.protocol.endpoint import Endpoint, server_name_of


@pytest.mark.parametrize(
    "host",
    [
        *("shard.example", "localhost", "a", "X-1.Example", "a_b.example"),
        *("0f9a-7443s.dstack.example", "a" * 63 + ".example"),
    ],
)
def test_server_name__dns_name__is_sent(host: str) -> None:
    assert server_name_of(host) == host
    assert Endpoint.parse(f"{host}:7443").server_name == host


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "::1", "2001:db8::7", "", ".", "a.", ".a", "a..b", "-a", "a-", "a b"),
        *("ä.example", "a" * 64, "a." * 200 + "a", "evil\0.example", "a\n"),
    ],
)
def test_server_name__address_or_no_name__is_none(host: str) -> None:
    assert server_name_of(host) is None
