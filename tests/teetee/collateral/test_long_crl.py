# SPDX-License-Identifier: Apache-2.0
"""A revocation list that is too long for one transaction: its form, and its way to the chain.

given a recorded list of Intel's, or one of the simulator
    it should be taken apart, and be the same when it is put together
given a list of thousands of entries, from a PCCS
    it should be uploaded in parts, and revoke whom it names
    when it is issued again with the same entries
        only the last call should be sent
    when an upload was interrupted, or a stranger has done part of it
        the rest should be sent
    when it is not signed
        nothing should be sent
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from teetee.chain.contract_errors import ContractRejected
from teetee.chain.contracts.long_crls import (
    END_OF_SERIALS,
    MAX_PAGE_SERIALS,
    MAX_PART_ENTRIES,
)
from teetee.chain.types.shards import ShardStatus
from teetee.collateral.long_crl import LongCrl, upload_entries
from teetee.collateral.pccs import PccsReader
from teetee.collateral.published import PublishedCrl
from teetee.quotes.errors import CollateralInvalid
from tests.teetee.client.lab import Lab, running_lab
from tests.teetee.collateral.intel import Intel, leaf_serial

RECORDED = Path("tests/vectors/attestation/collateral/tdx_b0c06f_2026-08/pck_crl.der")
COUNT = 2500


def serials(count: int, seed: int = 1) -> list[str]:
    """As the simulator's conditions name them, without order."""
    return [f"{pow(3, seed * 10_000 + index, 2**159 - 91):x}" for index in range(count)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("long-crl")) as lab:
        yield lab


@pytest.fixture
def intel(lab: Lab) -> Intel:
    return Intel(lab)


def published(intel: Intel) -> PublishedCrl:
    return PccsReader(intel.lab.pccs_url).pck_crl()


# ---------------------------------------------------------------- its form


def test_m15__recorded_list__is_taken_apart() -> None:
    der = RECORDED.read_bytes()
    crl = LongCrl.parse(der)
    listed = list(x509.load_der_x509_crl(der))
    assert [serial for serial, _ in crl.entries] == [each.serial_number for each in listed]
    assert (len(crl.endings), len(crl.endings[0])) == (1, 29)
    for piece in (crl.issuer, crl.this_update, crl.next_update, crl.endings[0], crl.extensions):
        assert piece in der
    (part,) = crl.parts()
    assert len(part) == 57 * 22
    assert part[:22] == crl.entries[0][0].to_bytes(20, "big") + bytes(2)


def test_m15__pages_of_a_list__are_as_full_as_each_other() -> None:
    crl = replace(
        LongCrl.parse(RECORDED.read_bytes()),
        entries=tuple((int(each, 16), 0) for each in serials(3000)),
    )
    numbers = sorted(serial for serial, _ in crl.entries)
    ends, start = [], 0
    while start != END_OF_SERIALS:
        start = crl.page_end(start)
        ends.append(start)
    assert ends == [numbers[1000], numbers[2000], END_OF_SERIALS]
    assert [len(part) // 22 for part in crl.parts()] == [MAX_PART_ENTRIES] * 2 + [766]
    just_more = replace(crl, entries=crl.entries[: MAX_PAGE_SERIALS + 1])
    assert sum(n < just_more.page_end(0) for n, _ in just_more.entries) == 615


@pytest.mark.parametrize("cut", [1, 100, 3000])
def test_m15__list_that_is_cut_off__is_refused(cut: int) -> None:
    with pytest.raises(CollateralInvalid, match="malformed CRL"):
        LongCrl.parse(RECORDED.read_bytes()[:-cut])


# ---------------------------------------------------------------- on its way


def test_m15__list_of_thousands__is_uploaded_in_parts_and_revokes(intel: Intel) -> None:
    revoked = serials(COUNT)
    revoked[COUNT // 2] = leaf_serial(intel.lab, 1)
    intel.says(revoked_pcks=revoked)
    crl = intel.synchronize()[1]
    assert crl.what == "platform CRL"
    assert crl.sent is not None
    assert len(crl.sent_before) == 3 + 3  # parts and pages
    assert all(each.gas_used < 1 << 24 for each in (crl.sent, *crl.sent_before))
    assert crl.to_json()["gasUsed"] == crl.sent.gas_used + sum(
        each.gas_used for each in crl.sent_before
    )
    after = intel.recheck()
    assert after.pop(int(intel.lab.enclaves[1].shard_id or 0)) is ShardStatus.EVICTED
    assert set(after.values()) == {ShardStatus.ACTIVE}


def test_m15__same_entries_again__only_the_last_call_is_sent(intel: Intel) -> None:
    intel.says(revoked_pcks=serials(COUNT, 2))
    assert intel.synchronize()[1].sent_before
    intel.says(revoked_pcks=serials(COUNT, 2))
    again = intel.synchronize()[1]
    assert again.sent is not None
    assert again.sent_before == ()
    assert intel.synchronize()[1].sent is None


def test_m15__interrupted_and_continued_by_others__is_completed(intel: Intel) -> None:
    intel.says(revoked_pcks=serials(COUNT, 3))
    crl = LongCrl.parse(published(intel).der)
    long_crls = intel.lab.contracts().collateral.long_crls
    stranger = intel.lab.world.sender(intel.lab.world.account("stranger", tokens=0))
    parts = crl.parts()
    stranger.send(long_crls.add_part(parts[1]))
    addresses = [long_crls.find_part(part)[0] for part in parts]
    with pytest.raises(ContractRejected, match="CrlPartUnknown"):
        long_crls.sorted_until(addresses)
    for part in (parts[0], parts[2]):
        stranger.send(long_crls.add_part(part))
    # with another end than the uploader would choose
    numbers = sorted(serial for serial, _ in crl.entries)
    stranger.send(long_crls.add_page(addresses, numbers[MAX_PAGE_SERIALS]))
    item = intel.synchronize()[1]
    assert item.sent is not None
    assert len(item.sent_before) == 2


def test_m15__stranger_sorts_the_page_first__goes_on_behind_it(
    intel: Intel, monkeypatch: pytest.MonkeyPatch
) -> None:
    intel.says(revoked_pcks=serials(COUNT, 4))
    crl = LongCrl.parse(published(intel).der)
    long_crls = intel.lab.contracts().collateral.long_crls
    sender = intel.lab.world.sender(intel.account)
    sorted_until, is_first = long_crls.sorted_until, [True]

    def overtaken(parts: list[str]) -> int:
        start = sorted_until(parts)
        if is_first.pop() if is_first else False:
            sender.send(long_crls.add_page(parts, crl.page_end(start)))
        return start

    monkeypatch.setattr(long_crls, "sorted_until", overtaken)
    addresses, _ = upload_entries(long_crls, sender, crl)
    assert sorted_until(addresses) == END_OF_SERIALS


def test_m15__list_that_is_not_signed__nothing_is_sent(intel: Intel) -> None:
    intel.says(revoked_pcks=serials(COUNT, 5))
    crl = published(intel)
    crl.require_signed()
    place = crl.der.index(int(serials(COUNT, 5)[7], 16).to_bytes(20, "big"))
    changed = bytearray(crl.der)
    changed[place] ^= 1
    for wrong in (replace(crl, der=bytes(changed)), replace(crl, issuer=crl.root)):
        with pytest.raises(CollateralInvalid, match="its issuer did not sign"):
            wrong.require_signed()
    with pytest.raises(CollateralInvalid, match="its issuer did not sign"):
        replace(crl, issuer=b"").require_signed()
