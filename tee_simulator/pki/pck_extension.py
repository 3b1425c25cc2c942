# SPDX-License-Identifier: Apache-2.0
"""Intel's certificate extension of a PCK leaf, 1.2.840.113741.1.13.1, with every field of a
Platform CA leaf.

Source: Intel SGX PCK Certificate and CRL Profile Specification 1.5, section 1.3.5. Order and
encodings are tested against real leaves (tests/tee_simulator/test_pki.py).
"""

from dataclasses import dataclass

from tee_simulator.pki import der

SGX_EXTENSION = "1.2.840.113741.1.13.1"


@dataclass(frozen=True)
class PlatformIdentity:
    """The facts that Intel certifies about one machine."""

    ppid: bytes
    """16 bytes, permanent per machine: what a deny list names."""

    instance_id: bytes
    """16 bytes, new with each registration of the machine."""

    fmspc: bytes
    """6 bytes: family, model, stepping, platform, custom SKU. TCB info is published by FMSPC."""

    component_svns: bytes
    """16 bytes, one security version each; equal to the CPUSVN, as in all Intel leaves."""

    pce_svn: int
    pce_id: bytes = b"\x00\x00"


def encode(identity: PlatformIdentity) -> bytes:
    """The content of the extension's OCTET STRING."""
    return der.sequence(
        _field("1", der.octet_string(identity.ppid)),
        _field("2", _tcb(identity)),
        _field("3", der.octet_string(identity.pce_id)),
        _field("4", der.octet_string(identity.fmspc)),
        _field("5", der.enumerated(1)),  # SGX type: scalable
        _field("6", der.octet_string(identity.instance_id)),
        # dynamic platform, cached keys, SMT: as on all machines observed
        _field("7", der.sequence(*(_field(f"7.{n}", der.boolean(True)) for n in (1, 2, 3)))),
    )


def _tcb(identity: PlatformIdentity) -> bytes:
    components = (
        _field(f"2.{n}", der.integer(svn)) for n, svn in enumerate(identity.component_svns, start=1)
    )
    return der.sequence(
        *components,
        _field("2.17", der.integer(identity.pce_svn)),
        _field("2.18", der.octet_string(identity.component_svns)),
    )


def _field(arc: str, value: bytes) -> bytes:
    return der.sequence(der.object_identifier(f"{SGX_EXTENSION}.{arc}"), value)
