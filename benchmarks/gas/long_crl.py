# SPDX-License-Identifier: Apache-2.0
"""The gas of uploading a PCK CRL in parts, signed by the simulator's authority."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract

from benchmarks.gas.chain import Chain, account
from tee_simulator.collateral.conditions import Conditions
from tee_simulator.collateral.issue import issue
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.chain.contracts.long_crls import END_OF_SERIALS
from teetee.collateral.long_crl import LongCrl
from teetee.quotes.certificates.pck_chain import certificate_id


@dataclass(frozen=True)
class LongCrlGas:
    """Gas of whole transactions."""

    part: int
    """The most that a part takes; they have 1,117 entries."""
    page: int
    """The most that a page takes; they have up to 1,228 serial numbers."""
    last: int
    """The call that takes the list into force."""
    total: int


def measure_long_crl(chain: Chain, entries: int) -> LongCrlGas:
    """A list of that many entries, each part and page of it for the first time."""
    sender = account("uploader")
    chain.fund(sender.address)
    with TemporaryDirectory() as folder:
        pki = SimulatedPki.open(Path(folder))
        moment = datetime.fromtimestamp(chain.now(), UTC)
        serials = (f"{_serial(index):x}" for index in range(entries))
        issued = issue(pki, moment, Conditions(revoked_pcks=tuple(serials)))
        certificates = chain.create(sender, "PckCertificates", pki.root.der)
        add = certificates.functions.addAuthority(pki.platform_ca.der)
        chain.send(sender, "adding the authority", add)
        verifier = chain.create(sender, "DcapVerifier", certificates.address)
        update = verifier.functions.updateRootCrl(issued.root_ca_crl)
        chain.send(sender, "uploading the root CRL", update)
        long_crls = chain.at("LongCrls", verifier.functions.longCrls().call())
        crl, authority_id = LongCrl.parse(issued.pck_crl), certificate_id(pki.platform_ca.der)
        addresses, parts = _upload_parts(chain, sender, long_crls, crl)
        pages = _sort(chain, sender, long_crls, crl, addresses)
        update = verifier.functions.updateLongPckCrl(crl.to_abi(addresses), authority_id)
        last = chain.gas(sender, "taking a long CRL into force", update)
        return LongCrlGas(max(parts), max(pages), last, sum(parts) + sum(pages) + last)


def _upload_parts(
    chain: Chain, sender: LocalAccount, long_crls: Contract, crl: LongCrl
) -> tuple[list[str], list[int]]:
    """Addresses, and the gas of each."""
    addresses, gas = [], []
    for part in crl.parts():
        gas.append(chain.gas(sender, "uploading a part", long_crls.functions.addPart(part)))
        addresses.append(str(long_crls.functions.findPart(part).call()[0]))
    return addresses, gas


def _sort(
    chain: Chain, sender: LocalAccount, long_crls: Contract, crl: LongCrl, addresses: list[str]
) -> list[int]:
    """The gas of each page."""
    gas, start = [], 0
    while start != END_OF_SERIALS:
        start = crl.page_end(start)
        add = long_crls.functions.addPage(addresses, start)
        gas.append(chain.gas(sender, "sorting a page", add))
    return gas


def _serial(index: int) -> int:
    """Of 159 bits, the most that `cryptography` writes; half of Intel's have 160."""
    return int.from_bytes(Web3.keccak(text=f"revoked {index}")[:20], "big") >> 1
