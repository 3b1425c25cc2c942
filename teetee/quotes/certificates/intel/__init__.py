# SPDX-License-Identifier: Apache-2.0
"""Intel's own certificates, as its provisioning service publishes them beside collateral.

They are public, few, and change every few years. A PCCS sends them as issuer chains; they complete
collateral files that were stored without their chains. Nothing is trusted for being here: callers
name the root that they trust.
"""

from functools import cache
from importlib.resources import files
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_NAMES: Final = (
    "root_ca",
    "pck_platform_ca",
    "pck_processor_ca",
    "tcb_signing_2025",
    "tcb_signing_2018",
)


@cache
def certificate(name: str) -> bytes:
    """DER of `root_ca`, `pck_platform_ca`, `pck_processor_ca`, `tcb_signing_2018` or
    `tcb_signing_2025`."""
    text = files("teetee.quotes.certificates.intel").joinpath(f"{name}.pem").read_bytes()
    return x509.load_pem_x509_certificate(text).public_bytes(Encoding.DER)


def root_ca() -> bytes:
    """DER of Intel's root."""
    return certificate("root_ca")


def intermediates() -> tuple[bytes, ...]:
    """DER of the certificates below the root; of two with the same key, the newer one first."""
    return tuple(certificate(name) for name in _NAMES[1:])
