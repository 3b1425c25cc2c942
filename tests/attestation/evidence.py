# SPDX-License-Identifier: Apache-2.0
"""A quote with everything needed to verify it, in parts that can be changed one by one."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dcap_qvl

from teetee.quotes.quote import Quote

VECTORS = Path(__file__).parents[1] / "vectors" / "attestation"


@dataclass(frozen=True)
class Evidence:
    """In the order of QuoteEvidence in contracts/mocks/OneCallVerifier.sol. Certificates and CRLs
    are DER; the JSON is the text that was signed."""

    authority: bytes
    leaf: bytes
    signer: bytes
    root_crl: bytes
    pck_crl: bytes
    tcb_info: bytes
    tcb_info_signature: bytes
    qe_identity: bytes
    qe_identity_signature: bytes
    core: bytes

    def to_abi(self) -> tuple[bytes, ...]:
        """The members, in order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def quote(self, root: bytes) -> bytes:
        """The full quote. Raises `QuoteError` when the core is none."""
        chain = "".join(raw_pem(der) for der in (self.leaf, self.authority, root))
        return Quote.from_core(self.core, chain.encode() + b"\x00").encode()

    def to_dcap_qvl(self, root: bytes) -> dcap_qvl.QuoteCollateralV3:
        """The collateral. Raises ValueError for what it can't hold."""
        chain = raw_pem(self.signer) + raw_pem(root)
        return dcap_qvl.QuoteCollateralV3(
            raw_pem(self.authority) + raw_pem(root),
            self.root_crl,
            self.pck_crl,
            chain,
            self.tcb_info.decode(),
            self.tcb_info_signature,
            chain,
            self.qe_identity.decode(),
            self.qe_identity_signature,
        )


def raw_pem(der: bytes) -> str:
    """PEM around any bytes, certificate or not."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))


def certificate(name: str) -> bytes:
    """One of Intel's, DER."""
    return (VECTORS / "certs" / f"{name}.der").read_bytes()


INTEL_ROOT = certificate("intel_sgx_root_ca")


def recorded(quote: str, collateral: str, signer: str = "intel_sgx_tcb_signing_2025") -> Evidence:
    """A recorded quote with a recorded set of collateral."""
    raw = (VECTORS / "quotes" / f"{quote}.bin").read_bytes()
    leaf, authority, _ = Quote.parse(raw).pck_chain_der()
    folder = VECTORS / "collateral" / collateral
    tcb_info, tcb_info_signature = inner_object(folder / "tcb_info.json", "tcbInfo")
    qe_identity, qe_identity_signature = inner_object(
        folder / "qe_identity.json", "enclaveIdentity"
    )
    return Evidence(
        authority=authority,
        leaf=leaf,
        signer=certificate(signer),
        root_crl=(folder / "root_ca_crl.der").read_bytes(),
        pck_crl=(folder / "pck_crl.der").read_bytes(),
        tcb_info=tcb_info,
        tcb_info_signature=tcb_info_signature,
        qe_identity=qe_identity,
        qe_identity_signature=qe_identity_signature,
        core=Quote.parse(raw).core,
    )


def inner_object(path: Path, key: str) -> tuple[bytes, bytes]:
    """The inner object's text, exactly as signed, and the signature."""
    text = path.read_text()
    start = text.index("{", text.index(f'"{key}"'))
    signature = bytes.fromhex(json.loads(text)["signature"])
    return text[start : text.rindex(',"signature"')].encode(), signature


def cases() -> list[dict[str, Any]]:
    """The recorded verdicts: tests/vectors/attestation/cases.json."""
    loaded: list[dict[str, Any]] = json.loads((VECTORS / "cases.json").read_text())["cases"]
    return loaded
