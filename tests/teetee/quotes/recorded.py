# SPDX-License-Identifier: Apache-2.0
"""Recorded quotes of real machines, with Intel's collateral of that time:
tests/vectors/attestation."""

import json
from pathlib import Path
from typing import Any

import dcap_qvl

from teetee.quotes.certificates.pck_chain import to_pem
from teetee.quotes.collateral.dcap_qvl_json import Collateral

VECTORS = Path(__file__).parents[2] / "vectors" / "attestation"

NEAR_MPC, PHALA, AUTOMATA, GOOGLE, DSTACK = (
    "tdx_v4_b0c06f_near_mpc",
    "tdx_v4_b0c06f_phala",
    "tdx_v4_00806f_automata",
    "tdx_v4_50806f_google_spr_e4",
    "tdx_v4_90c06f_dstack_verifier",
)
OUTDATED_V5 = "tdx_v5_90c06f_outdated"
TDX_V5 = (OUTDATED_V5, "tdx_v5_90c06f_alibaba_servicetd", "tdx_v5_90c06f_automata_preprod")
TDX_V4 = (NEAR_MPC, PHALA, AUTOMATA, GOOGLE, DSTACK)

JUNE_2025, AUGUST_2026 = "tdx_b0c06f_2025-06", "tdx_b0c06f_2026-08"
IN_JUNE_2025, IN_AUGUST_2026 = 1750415547, 1786704338


def quote(name: str) -> bytes:
    """As a guest agent returned it."""
    return (VECTORS / "quotes" / f"{name}.bin").read_bytes()


def certificate(name: str) -> bytes:
    """One of Intel's, in DER."""
    return (VECTORS / "certs" / f"{name}.der").read_bytes()


def vectors() -> dict[str, Any]:
    """The values that contracts and Python agree on."""
    content: dict[str, Any] = json.loads((VECTORS / "vectors.json").read_text())
    return content


INTEL_ROOT = certificate("intel_sgx_root_ca")


def collateral(name: str) -> Collateral:
    """One of the recorded sets."""
    folder = VECTORS / "collateral" / name
    root = to_pem(INTEL_ROOT)
    signing = to_pem(certificate("intel_sgx_tcb_signing_2025")) + root
    tcb_info, tcb_signature = _signed(folder / "tcb_info.json", "tcbInfo")
    qe_identity, qe_signature = _signed(folder / "qe_identity.json", "enclaveIdentity")
    parts = dcap_qvl.QuoteCollateralV3(
        to_pem(certificate("intel_sgx_pck_platform_ca")) + root,
        (folder / "root_ca_crl.der").read_bytes(),
        (folder / "pck_crl.der").read_bytes(),
        signing,
        tcb_info,
        tcb_signature,
        signing,
        qe_identity,
        qe_signature,
    )
    return Collateral.parse(parts.to_json())


def _signed(path: Path, key: str) -> tuple[str, bytes]:
    """The inner object's text, exactly as signed, and the signature."""
    text = path.read_text()
    start = text.index("{", text.index(f'"{key}"'))
    return text[start : text.rindex(',"signature"')], bytes.fromhex(json.loads(text)["signature"])
