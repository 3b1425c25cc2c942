# SPDX-License-Identifier: Apache-2.0
"""A request's secret survives a crash, and only its wallet can read it.

given a pending request in its file
    when its wallet reads it
        it should give the secret back
    when another wallet reads it, or the file was changed
        it should refuse
given a folder of them
    when they are listed
        it should give those of the chain, the escrow and the wallet, oldest first
    when one is removed
        it should be gone, also when it is removed twice
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from teetee.client.errors import PendingRequestUnreadable
from teetee.client.requests.pending_requests import PendingRequest, PendingRequests

ESCROW = "0x" + "11" * 20
SECRET = bytes(range(32))
REQUESTER: LocalAccount = Account.from_key("0x" + "42" * 32)
STRANGER: LocalAccount = Account.from_key("0x" + "43" * 32)


def make_pending(number: int = 1, requester: LocalAccount = REQUESTER) -> PendingRequest:
    bare = PendingRequest(
        chain_id=84532,
        escrow=ESCROW,
        requester=str(requester.address),
        model_id=3,
        client_nonce=number.to_bytes(32),
        sent_after_block=100 + number,
        deadline=1_800_000_000,
        sealed_secret=b"",
    )
    return bare.sealed(requester, SECRET)


def test_secret__own_wallet__comes_back(tmp_path: Path) -> None:
    folder = PendingRequests(tmp_path)
    folder.add(make_pending())
    [read] = folder.all(84532, ESCROW)
    assert read.secret(REQUESTER) == SECRET


def test_secret__other_wallet__is_refused() -> None:
    with pytest.raises(PendingRequestUnreadable, match=str(REQUESTER.address)):
        make_pending().secret(STRANGER)


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 1},
        {"escrow": "0x" + "12" * 20},
        {"model_id": 4},
        {"client_nonce": bytes(32)},
        {"sent_after_block": 0},
        {"deadline": 0},
        {"sealed_secret": bytes(60)},
        {"sealed_secret": b""},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_secret__changed_file__is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(PendingRequestUnreadable):
        replace(make_pending(), **changes).secret(REQUESTER)  # type: ignore[arg-type]


def test_add__file__is_private_and_shows_no_secret(tmp_path: Path) -> None:
    PendingRequests(tmp_path / "state").add(make_pending())
    [path] = (tmp_path / "state").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET.hex() not in path.read_text()
    assert path.name == f"84532-{ESCROW}-{(1).to_bytes(32).hex()}.json"


def test_update__request_id_known__is_kept(tmp_path: Path) -> None:
    folder = PendingRequests(tmp_path)
    pending = make_pending()
    folder.add(pending)
    folder.update(replace(pending, request_id=17, transaction="0xabc"))
    [read] = folder.all(84532, ESCROW)
    assert (read.request_id, read.transaction) == (17, "0xabc")
    assert read.secret(REQUESTER) == SECRET


def test_all__several__gives_those_asked_for_oldest_first(tmp_path: Path) -> None:
    folder = PendingRequests(tmp_path)
    for number in (3, 1, 2):
        folder.add(make_pending(number))
    folder.add(make_pending(4, STRANGER))
    folder.add(replace(make_pending(5), chain_id=1))
    found = folder.all(84532, ESCROW, str(REQUESTER.address))
    assert [each.sent_after_block for each in found] == [101, 102, 103]


def test_remove__twice__is_gone(tmp_path: Path) -> None:
    folder = PendingRequests(tmp_path)
    folder.add(make_pending())
    folder.remove(make_pending())
    folder.remove(make_pending())
    assert folder.all(84532, ESCROW) == []


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2}', '{"version": 1}', "\xff"])
def test_all__damaged_file__names_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / f"84532-{ESCROW}-00.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(PendingRequestUnreadable, match=path.name):
        PendingRequests(tmp_path).all(84532, ESCROW)


def test_all__field_of_another_kind__names_the_file(tmp_path: Path) -> None:
    PendingRequests(tmp_path).add(make_pending())
    [path] = tmp_path.iterdir()
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"modelId": "three"}))
    with pytest.raises(PendingRequestUnreadable, match="damaged"):
        PendingRequests(tmp_path).all(84532, ESCROW)
