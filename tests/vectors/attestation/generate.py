# SPDX-License-Identifier: Apache-2.0
"""Writes vectors.json beside itself: `python tests/vectors/attestation/generate.py`. Deterministic.

Tests of contracts and of Python read it, so that both compute the same ids and hashes.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tee_simulator.collateral import issue as collateral
from tee_simulator.guest.machine import Machine
from tee_simulator.guest.measurements import GuestMeasurements
from tee_simulator.pki.simulated_pki import SimulatedPki
from teetee.quotes.certificates.pck_chain import certificate_id, chain_from_pem, platform_id
from teetee.quotes.claims import pck_record, quote_hash
from teetee.quotes.quote import Quote

HERE = Path(__file__).parent

# quote → Unix second at which its chain and a collateral set of Intel's were in force
RECORDED = {
    "tdx_v4_b0c06f_near_mpc": 1786704338,
    "tdx_v4_b0c06f_phala": 1750415547,
    "tdx_v4_90c06f_dstack_verifier": 1771498731,
    "tdx_v4_00806f_automata": 1749117098,
    "tdx_v4_50806f_google_spr_e4": 1687164178,
}
# collateral for the first two quotes
COLLATERAL = ("tdx_b0c06f_2026-08", "tdx_b0c06f_2025-06")
SGX_QUOTE, SGX_CHAIN_OFFSET = "sgx_v3_00a067_phala", 1052

SIMULATED_AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
SEED = b"teetee test vectors, public keys "[:32]


def vectors() -> dict[str, Any]:
    """The file's content, ready for JSON."""
    pki, stranger = SimulatedPki.from_seed(SEED), SimulatedPki.from_seed(bytes(reversed(SEED)))
    return {
        "comment": "Made by generate.py. The simulated keys are public: they protect nothing.",
        "intel": {
            "root": _file("certs/intel_sgx_root_ca.der"),
            "authority": _file("certs/intel_sgx_pck_platform_ca.der"),
            "processorAuthority": _file("certs/intel_sgx_pck_processor_ca.der"),
            "processorLeaf": _hex(_processor_leaf()),
            "tcbSigning": _file("certs/intel_sgx_tcb_signing_2025.der"),
            "quotes": {name: _recorded(name, at) for name, at in RECORDED.items()},
            "collateral": {name: _recorded_collateral(name) for name in COLLATERAL},
        },
        "simulated": {
            "at": int(SIMULATED_AT.timestamp()),
            **_pki(pki),
            "first": _machine(pki, b"\x01" * 32, b"\xaa" * 64),
            "second": _machine(pki, b"\x02" * 32, b"\xbb" * 64),
        },
        "stranger": {
            **_pki(stranger),
            "first": _machine(stranger, b"\x03" * 32, b"\xaa" * 64),
        },
    }


def _recorded(name: str, at: int) -> dict[str, Any]:
    return {"at": at, **_contents((HERE / "quotes" / f"{name}.bin").read_bytes())}


def _machine(pki: SimulatedPki, seed: bytes, report_data: bytes) -> dict[str, Any]:
    machine = Machine.from_seed(seed, pki, SIMULATED_AT)
    measured = GuestMeasurements.of(
        compose_hash=b"\xcc" * 32, app_id=b"\xdd" * 20, instance_id=b"\xee" * 20
    )
    return {
        **_contents(machine.quote(measured, report_data)),
        "pckKey": _scalar(machine.pck_key),
        "attestationKey": _scalar(machine.attestation_key),
    }


def _pki(pki: SimulatedPki) -> dict[str, Any]:
    return {
        "root": _hex(pki.root.der),
        "rootKey": _scalar(pki.root.key),
        "authority": _hex(pki.platform_ca.der),
        "authorityKey": _scalar(pki.platform_ca.key),
        "tcbSigning": _hex(pki.tcb_signing.certificate.public_bytes(Encoding.DER)),
        "tcbSigningKey": _scalar(pki.tcb_signing.key),
        **_issued(pki),
    }


def _issued(pki: SimulatedPki) -> dict[str, Any]:
    """Collateral in force at the simulated machines' time. JSON as bytes, exactly as signed."""
    issued = collateral.issue(pki, SIMULATED_AT)
    return {
        "rootCrl": _hex(issued.root_ca_crl),
        "pckCrl": _hex(issued.pck_crl),
        "tcbInfo": _hex(issued.tcb_info.encode()),
        "tcbInfoSignature": _hex(issued.tcb_info_signature),
        "qeIdentity": _hex(issued.qe_identity.encode()),
        "qeIdentitySignature": _hex(issued.qe_identity_signature),
    }


def _recorded_collateral(name: str) -> dict[str, Any]:
    """A set of Intel's, in the same form."""
    folder = HERE / "collateral" / name
    parts: dict[str, Any] = {
        "rootCrl": _hex((folder / "root_ca_crl.der").read_bytes()),
        "pckCrl": _hex((folder / "pck_crl.der").read_bytes()),
    }
    for file, key, field in (
        ("tcb_info.json", "tcbInfo", "tcbInfo"),
        ("qe_identity.json", "enclaveIdentity", "qeIdentity"),
    ):
        text = (folder / file).read_text()
        start = text.index("{", text.index(f'"{key}"'))
        parts[field] = _hex(text[start : text.rindex(',"signature"')].encode())
        parts[f"{field}Signature"] = "0x" + json.loads(text)["signature"]
    return parts


def _contents(quote: bytes) -> dict[str, Any]:
    parsed = Quote.parse(quote)
    chain = Quote.parse(quote).pck_chain_der()
    leaf, authority, _ = chain
    pck_id = certificate_id(leaf)
    return {
        "core": _hex(parsed.core),
        "quoteHash": _hex(quote_hash(parsed.core, pck_record(*chain, index=1))),
        "measurement": _hex(parsed.report.measurement),
        "reportData": _hex(parsed.report.report_data),
        "leaf": _hex(leaf),
        "pckId": _hex(pck_id),
        "authorityId": _hex(certificate_id(authority)),
        "platformId": _hex(platform_id(leaf)),
    }


def _processor_leaf() -> bytes:
    raw = (HERE / "quotes" / f"{SGX_QUOTE}.bin").read_bytes()
    size = int.from_bytes(raw[SGX_CHAIN_OFFSET - 4 : SGX_CHAIN_OFFSET], "little")
    return chain_from_pem(raw[SGX_CHAIN_OFFSET : SGX_CHAIN_OFFSET + size])[0]


def _scalar(key: ec.EllipticCurvePrivateKey) -> str:
    return _hex(key.private_numbers().private_value.to_bytes(32, "big"))


def _file(path: str) -> str:
    return _hex((HERE / path).read_bytes())


def _hex(content: bytes) -> str:
    return "0x" + content.hex()


def rendered() -> str:
    """The file's text."""
    return json.dumps(vectors(), indent=2) + "\n"


if __name__ == "__main__":
    (HERE / "vectors.json").write_text(rendered(), encoding="utf-8")
