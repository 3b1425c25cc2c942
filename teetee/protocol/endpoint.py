# SPDX-License-Identifier: Apache-2.0
"""An enclave's endpoint: its address in the registry's spelling (`host:port`, or `[address]:port`
for IPv6), and the ALPN names of what its one listener serves (docs/protocol.md section 7).

Opens no socket. The listener is in shard_runtime/links/listener.py; each name says where a handler
is attached to it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from teetee.errors import MalformedEndpoint

LINK_ALPN = "teetee-link/1"
"""Between enclaves of a model. Attached when a shard starts to serve:
shard_runtime/links/tls_links.py."""
STREAM_ALPN = "teetee-stream/1"
"""The text of a running request: oracle/endpoints/stream.py. Attached once an entry is enrolled:
oracle/process/services.py. Client: teetee/client/requests/answer_stream.py."""
INFO_ALPN = "teetee-info/1"
"""What a wallet should know before it pays: oracle/endpoints/info.py. Attached once an entry is
enrolled: oracle/process/services.py. Client: teetee/client/requests/entry_info.py."""
ENROL_ALPN = "teetee-enrol/1"
"""A quote for an enrolment: oracle/endpoints/enrol.py. Attached when the process starts to listen:
oracle/process/server.py. Client: teetee/client/hosting/enclave_statement.py."""

DEFAULT_PORT = 7443
"""Where an enclave listens unless its operator says otherwise."""
MAX_PORT = 65_535

_NO_PEERS = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("0.0.0.0/8", "fec0::/10"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::/32", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
    )
)
"""Addresses that `ipaddress` does not tell from another machine's: this network (RFC 1122), the
retired site-local range (RFC 3879), and where clouds tell a machine its own secrets outside the
link-local range: Alibaba, Azure, Oracle; over IPv6 AWS, Google, Oracle, Scaleway."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that a translator connects to."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*(?!\d+$){_LABEL}")


@dataclass(frozen=True)
class Endpoint:
    """A host name or address and a TCP port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From `host:port`. Raises `MalformedEndpoint`: the registry checks only characters."""
        host, separator, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not separator or not host or "[" in host or "]" in host:
            raise MalformedEndpoint(text)
        # Python refuses to read a number of thousands of digits.
        is_number = port.isascii() and port.isdigit() and len(port) <= len(str(MAX_PORT))
        if not is_number or not 1 <= int(port) <= MAX_PORT:
            raise MalformedEndpoint(text)
        return cls(host, int(port))

    @property
    def server_name(self) -> str | None:
        """What a client sends as SNI; see `server_name_of`."""
        return server_name_of(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def server_name_of(host: str) -> str | None:
    """The name that a client sends as TLS server name (SNI): the host if it is a DNS name, None for
    an address. A gateway before the enclave routes by it; the enclave itself ignores it.
    """
    return host if _DNS_NAME.fullmatch(host) else None


def can_be_peer(address: str) -> bool:
    """Whether an endpoint that a host wrote on the chain may lead to this IP address: neither to
    the machine that connects nor to its link, nor to a cloud's service for its own machines.
    Private networks may be meant: hosts can share one.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = _reached_by_ipv4(found) or found
    is_own = found.is_loopback or found.is_link_local or found.is_unspecified
    is_special = is_own or found.is_multicast or found.is_reserved
    return not is_special and not any(found in each for each in _NO_PEERS)


def _reached_by_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside a mapped, translated (NAT64), 6to4 or Teredo one."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
