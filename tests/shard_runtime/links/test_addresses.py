# SPDX-License-Identifier: Apache-2.0
"""Where a link may lead that a host named on the chain.

given an endpoint that other hosts wrote
    when it leads to this machine, its link or its cloud's own services, by address or by name
        nothing should be connected to
    when it leads to another machine, also in a private network
        it may be connected to
given a directory that no other host wrote
    any address should do
"""

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from shard_runtime import FixedDirectory, Peer, TlsLinks
from shard_runtime.links import outgoing_link
from teetee.protocol.endpoint import can_be_peer
from teetee.protocol.identifiers import ShardId
from tests.shard_runtime.links.pairs import PATIENCE, SECOND, Pair, peer

REFUSED = (
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "224.0.0.1"),
    *("168.63.129.16", "100.100.100.200"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "192.0.0.192"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2001:0:cb00:7107:0:0:80ff:fffe", "255.255.255.255", "240.0.0.1"),
    *("fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:ec2::23", "fec0::7", "0.1.2.3"),
)
PERMITTED = (
    *("203.0.113.7", "10.0.0.7", "192.168.1.7", "100.64.0.7", "2001:db8::7", "fd00::7"),
    *("2a00:1450::7", "64:ff9b::203.0.113.7", "2002:cb00:7107::1"),
)


@pytest.mark.parametrize("address", REFUSED)
def test_l27_can_be_peer__own_machine_link_or_cloud__is_refused(address: str) -> None:
    assert not can_be_peer(address)


@pytest.mark.parametrize("address", PERMITTED)
def test_l27_can_be_peer__another_machine__is_permitted(address: str) -> None:
    assert can_be_peer(address)


@pytest.fixture
def pair() -> Iterator[Pair]:
    both = Pair()
    yield both
    both.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_l27_send__endpoint_on_chain_leads_to_this_machine__is_never_connected_to(
    pair: Pair, host: str
) -> None:
    lost: queue.SimpleQueue[ShardId] = queue.SimpleQueue()
    with socket.create_server(("127.0.0.1", 0)) as service:
        there = peer(2, pair.keys[1], service.getsockname()[1])
        links = links_of_hosts(pair, FixedDirectory([pair.peers()[0], at(there, host)]))
        links.start(lambda _, __: None, lost.put)
        links.send_frame(SECOND, b"a frame")
        assert lost.get(timeout=PATIENCE) == SECOND
        service.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            service.accept()
        links.close()


def test_l27_open_socket__name_with_a_forbidden_and_a_permitted_address__takes_the_permitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]
        places = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(outgoing_link.socket, "getaddrinfo", lambda *_, **__: places)
        asked: list[str] = []

        def may_connect(address: str) -> bool:
            asked.append(address)
            return address == "127.0.0.1"

        threading.Thread(target=service.accept, daemon=True).start()
        connected = outgoing_link._open_socket("name", port, may_connect, timeout=PATIENCE)
        assert connected.getpeername() == ("127.0.0.1", port)
        connected.close()
        assert asked == ["127.0.0.2", "127.0.0.1"]
        with pytest.raises(OSError, match="another machine"):
            outgoing_link._open_socket("name", port, lambda _: False, timeout=PATIENCE)


def at(there: Peer, host: str) -> Peer:
    return Peer(
        shard_id=there.shard_id,
        host=host,
        port=there.port,
        tls=there.tls,
        layers=there.layers,
        signer=there.signer,
        identity_digest=there.identity_digest,
    )


def links_of_hosts(pair: Pair, directory: FixedDirectory) -> TlsLinks:
    """As an enclave makes them whose machine is not simulated."""
    end = pair.end(1)
    end.links.close()
    return TlsLinks(
        identity=end.links._identity,
        directory=directory,
        listener=pair.listeners[0],
        limits=pair.limits,
        is_directory_of_hosts=True,
    )
