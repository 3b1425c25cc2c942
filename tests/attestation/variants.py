# SPDX-License-Identifier: Apache-2.0
"""Evidence of the test PKI, changed in one place and signed again with its keys."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from tee_simulator.pki import der
from tests.attestation.evidence import Evidence
from tests.attestation.mutations import elements, relengthed
from tests.attestation.simulated import World, element_bytes, header_bytes, to_be_signed

WORLD = World.from_seed(b"teetee variants, public keys 001")
PLAIN = WORLD.evidence()

KEY_USAGE, BASIC_CONSTRAINTS = "0603551d0f", "0603551d13"
EXTENDED_KEY_USAGE, NAME_CONSTRAINTS = "0603551d25", "0603551d1e"
CRL_NUMBER, CPU_SVN = "0603551d14", "060b2a864886f84d010d0102120410"
INSTANCE_ID, CONFIGURATION = "060a2a864886f84d010d0106", "060a2a864886f84d010d0107"
SEQUENCE, EXPLICIT_0, UTC_TIME = 0x30, 0xA0, 0x17


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """One extension; `oid` with its tag and length."""
    flag = b"\x01\x01\xff" if critical else b""
    return der.sequence(bytes.fromhex(oid), flag, der.element(0x04, value))


def resigned(part: str, content: bytes) -> Evidence:
    """With a certificate or CRL around that content, by its issuer."""
    sign = WORLD.sign_leaf if part in ("leaf", "pck_crl") else WORLD.sign_below_root
    return replace(PLAIN, **{part: sign(content)})


def with_item(part: str, oid: str, change: Callable[[bytes], bytes]) -> Evidence:
    """With the SEQUENCE that begins with that OID changed."""
    content = to_be_signed(getattr(PLAIN, part))
    place = _place_of(content, oid)
    size = element_bytes(content, place)
    return resigned(part, relengthed(content, place, size, change(content[place : place + size])))


def with_extension(part: str, added: bytes) -> Evidence:
    """With one more extension behind the basic constraints."""
    return with_item(part, BASIC_CONSTRAINTS, lambda before: before + added)


def with_key_usage(part: str, bits: int, unused: int) -> Evidence:
    """Key usage of one octet."""
    usage = extension(KEY_USAGE, bytes([3, 2, unused, bits]), critical=True)
    return with_item(part, KEY_USAGE, lambda _: usage)


def with_path_length(length: int) -> Evidence:
    """An authority with that path length."""
    value = der.sequence(der.boolean(True), der.integer(length))
    return with_item(
        "authority",
        BASIC_CONSTRAINTS,
        lambda _: extension(BASIC_CONSTRAINTS, value, critical=True),
    )


def with_crl_number(number: int) -> Evidence:
    """A PCK CRL with that number."""
    return with_item("pck_crl", CRL_NUMBER, lambda _: extension(CRL_NUMBER, der.integer(number)))


def with_replaced(part: str, before: str, after: str) -> Evidence:
    """With bytes of a certificate replaced by as many others, where they stand last."""
    content = to_be_signed(getattr(PLAIN, part))
    head, tail = content.rsplit(bytes.fromhex(before), 1)
    return resigned(part, head + bytes.fromhex(after) + tail)


def with_cpu_svn(content: bytes) -> Evidence:
    """A leaf whose CPUSVN begins with other octets; its components stay."""
    leaf = to_be_signed(PLAIN.leaf)
    start = leaf.index(bytes.fromhex(CPU_SVN)) + len(bytes.fromhex(CPU_SVN))
    return resigned("leaf", leaf[:start] + content + leaf[start + len(content) :])


def with_revoked(part: str, serial: int, reason: int | None = None) -> Evidence:
    """A CRL that lists one certificate."""
    content = to_be_signed(getattr(PLAIN, part))
    place = next(place for place in elements(content) if content[place] == EXPLICIT_0)
    size = element_bytes(content, place)
    code = b"" if reason is None else der.sequence(_reason(reason))
    entry = der.sequence(der.integer(serial), der.element(UTC_TIME, b"250101000000Z"), code)
    behind = content[place : place + size]
    return resigned(part, relengthed(content, place, size, der.sequence(entry) + behind))


def serial_of(part: str) -> int:
    """Of a certificate, or of the root."""
    encoded = WORLD.root if part == "root" else getattr(PLAIN, part)
    return x509.load_der_x509_certificate(encoded).serial_number


def with_json(part: str, *path_and_value: Any) -> Evidence:
    """With one member of TCB info or QE identity set: names and indices, then the value."""
    *path, last, value = path_and_value
    content = json.loads(getattr(PLAIN, part))
    inner = content
    for step in path:
        inner = inner[step]
    inner[last] = value
    text = json.dumps(content, separators=(",", ":")).encode()
    return replace(PLAIN, **{part: text, f"{part}_signature": WORLD.sign_json(text)})


def fmspc() -> str:
    """Of the machine, as its TCB info writes it."""
    return str(json.loads(PLAIN.tcb_info)["fmspc"])


def iso(at: int) -> str:
    """As Intel writes times."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_of_processor_ca() -> Evidence:
    """A leaf without platform instance and configuration."""
    content = to_be_signed(PLAIN.leaf)
    for oid in (INSTANCE_ID, CONFIGURATION):
        place = _place_of(content, oid)
        content = relengthed(content, place, element_bytes(content, place), b"")
    return resigned("leaf", content)


def with_report(offset: int, content: bytes) -> Evidence:
    """With other bytes in the TD report."""
    core, start = PLAIN.core, 48 + offset
    changed = core[:start] + content + core[start + len(content) :]
    return replace(PLAIN, core=WORLD.sign_quote(changed))


def with_qe_report(offset: int, content: bytes) -> Evidence:
    """With other bytes in the report of the quoting enclave."""
    core = PLAIN.core
    start = len(core) - 480 + offset
    changed = core[:start] + content + core[start + len(content) :]
    return replace(PLAIN, core=WORLD.sign_qe_report(changed))


def extended(place: int = 0, content: bytes = b"") -> Evidence:
    """Around a TD report 1.5 extended, with other bytes in what that adds."""
    tail = bytearray(237)
    tail[place : place + len(content)] = content
    return replace(PLAIN, core=WORLD.as_v5_extended(PLAIN.core, bytes(tail)))


def _place_of(content: bytes, oid: str) -> int:
    return next(
        place
        for place in elements(content)
        if content[place] == SEQUENCE
        and content[place + header_bytes(content, place) :].startswith(bytes.fromhex(oid))
    )


def _reason(reason: int) -> bytes:
    return der.sequence(bytes.fromhex("0603551d15"), der.element(0x04, bytes([0x0A, 1, reason])))
