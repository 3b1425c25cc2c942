# SPDX-License-Identifier: Apache-2.0
"""The gas of uploading Intel's collateral: real certificates and collateral, at a time when they
were in force.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from benchmarks.gas.chain import ROOT, Chain, account
from tee_simulator.collateral.issue import SimulatedCollateral
from teetee.quotes.certificates.pck_chain import certificate_id
from teetee.quotes.quote import Quote

VECTORS = ROOT / "tests" / "vectors" / "attestation"
IN_FORCE = 1786704338
"""2026-08-14, Unix seconds."""
SET = "tdx_b0c06f_2026-08"
QUOTE = "tdx_v4_b0c06f_near_mpc"


@dataclass(frozen=True)
class CollateralGas:
    """Gas of whole transactions; each uploads the first collateral of its kind."""

    pck_certificate: int
    tcb_info: int
    qe_identity: int
    platform_crl: int
    root_crl: int


def measure_collateral(chain: Chain) -> CollateralGas:
    """Measures on a chain that started at `IN_FORCE`."""
    sender = account("uploader")
    chain.fund(sender.address)
    quote = (VECTORS / "quotes" / f"{QUOTE}.bin").read_bytes()
    leaf, authority, root = Quote.parse(quote).pck_chain_der()
    certificates = chain.create(sender, "PckCertificates", root)
    verifier = chain.create(sender, "DcapVerifier", certificates.address)
    signer = (VECTORS / "certs" / "intel_sgx_tcb_signing_2025.der").read_bytes()
    add = certificates.functions
    chain.send(sender, "adding the authority", add.addAuthority(authority))
    chain.send(sender, "adding the signer", add.addCollateralSigner(signer))
    folder = VECTORS / "collateral" / SET
    upload = _Uploads(chain, sender, verifier, certificate_id(signer))
    authority_id = certificate_id(authority)
    return CollateralGas(
        pck_certificate=chain.gas(
            sender, "adding a PCK certificate", add.addPckCertificate(leaf, authority_id)
        ),
        root_crl=upload.root_crl((folder / "root_ca_crl.der").read_bytes()),
        platform_crl=upload.pck_crl((folder / "pck_crl.der").read_bytes(), authority_id),
        tcb_info=upload.tcb_info(*_inner(folder / "tcb_info.json", "tcbInfo")),
        qe_identity=upload.qe_identity(*_inner(folder / "qe_identity.json", "enclaveIdentity")),
    )


def upload_simulated(
    chain: Chain,
    sender: LocalAccount,
    certificates: Contract,
    verifier: Contract,
    issued: SimulatedCollateral,
    signer: bytes,
    authority_id: bytes,
) -> None:
    """Uploads all collateral for a simulated machine's quote."""
    add = certificates.functions.addCollateralSigner(signer)
    chain.send(sender, "adding the signer", add)
    upload = _Uploads(chain, sender, verifier, certificate_id(signer))
    upload.root_crl(issued.root_ca_crl)
    upload.pck_crl(issued.pck_crl, authority_id)
    upload.tcb_info(issued.tcb_info.encode(), issued.tcb_info_signature)
    upload.qe_identity(issued.qe_identity.encode(), issued.qe_identity_signature)


@dataclass(frozen=True)
class _Uploads:
    """The four uploads; each returns its gas."""

    chain: Chain
    sender: LocalAccount
    verifier: Contract
    signer_id: bytes

    def root_crl(self, der: bytes) -> int:
        return self._gas("the root CRL", self.verifier.functions.updateRootCrl(der))

    def pck_crl(self, der: bytes, authority_id: bytes) -> int:
        return self._gas("a PCK CRL", self.verifier.functions.updatePckCrl(der, authority_id))

    def tcb_info(self, json_text: bytes, signature: bytes) -> int:
        update = self.verifier.functions.updateTcbInfo
        return self._gas("TCB info", update(json_text, signature, self.signer_id))

    def qe_identity(self, json_text: bytes, signature: bytes) -> int:
        update = self.verifier.functions.updateQeIdentity
        return self._gas("a QE identity", update(json_text, signature, self.signer_id))

    def _gas(self, what: str, function: Any) -> int:
        return self.chain.gas(self.sender, f"uploading {what}", function)


def _inner(path: Path, key: str) -> tuple[bytes, bytes]:
    """The inner object's exact signed text, and its signature."""
    text = path.read_text()
    start = text.index("{", text.index(f'"{key}"'))
    signature = bytes.fromhex(json.loads(text)["signature"])
    return text[start : text.rindex(',"signature"')].encode(), signature
