# SPDX-License-Identifier: Apache-2.0
"""The root certificate that the verifier trusts: Intel's, or a test root."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from administration.chain.networks import Network
from administration.errors import RootCaInvalid, SimulatedRootRefused
from tee_simulator import SimulatedPki
from teetee.chain.deployment import ROOT

INTEL_ROOT_CA = ROOT / "deployments" / "intel-sgx-root-ca.pem"
# As Intel publishes it; the file is checked against it.
INTEL_FINGERPRINT = bytes.fromhex(
    "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
)
SIMULATED_PKI = ROOT / "build" / "simulator" / "pki"


@dataclass(frozen=True)
class RootCa:
    """A self-signed certificate in DER."""

    der: bytes

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the DER, 32 bytes."""
        return hashlib.sha256(self.der).digest()

    @property
    def is_intel(self) -> bool:
        """Whether it is the root of genuine quotes."""
        return self.fingerprint == INTEL_FINGERPRINT


def root_ca_for(network: Network, path: Path | None, accept_forgeries: bool) -> RootCa:
    """The given root; else Intel's, or on a local chain the simulator's, created if missing.

    Raises `RootCaInvalid`, `SimulatedRootRefused`.
    """
    if path is not None:
        root = read_root_ca(path)
    elif network.name == "base-local":
        root = RootCa(SimulatedPki.open(SIMULATED_PKI).root.der)
    else:
        root = read_root_ca(INTEL_ROOT_CA)
    if network.is_live and not root.is_intel and not accept_forgeries:
        raise SimulatedRootRefused(network.name)
    return root


def read_root_ca(path: Path) -> RootCa:
    """A PEM or DER file with one certificate. Raises `RootCaInvalid`.

    The contract checks its dates, by the chain's clock.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RootCaInvalid(str(path), error.strerror or "it is unreadable") from None
    try:
        if b"-----BEGIN" in content:
            (certificate,) = x509.load_pem_x509_certificates(content)
        else:
            certificate = x509.load_der_x509_certificate(content)
    except ValueError:
        raise RootCaInvalid(str(path), "it does not hold exactly one certificate") from None
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        raise RootCaInvalid(str(path), "it is not signed by its own key") from None
    return RootCa(certificate.public_bytes(Encoding.DER))
