# SPDX-License-Identifier: Apache-2.0
"""The test PKI: root, platform authority and collateral signer, derived from a 32-byte seed."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tee_simulator.errors import PkiDamaged
from tee_simulator.pki import certificates
from tee_simulator.pki.certificates import Authority
from tee_simulator.pki.pck_extension import PlatformIdentity
from tee_simulator.pki.signatures import p256_key
from tee_simulator.secret_files import create_directory, locked, read_file, write_file

SEED_BYTES = 32

# Intel's root and authorities begin in May 2018, and the root ends with 2049, the last year of
# UTCTime. With fixed starts, tests can replay any date since then.
ROOT_WINDOW = (
    datetime(2018, 5, 21, 10, 45, 10, tzinfo=UTC),
    datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
)
ISSUED_WINDOW = (
    datetime(2018, 5, 21, 10, 50, 10, tzinfo=UTC),
    datetime(2048, 5, 21, 10, 50, 10, tzinfo=UTC),
)

PCK_LIFE = timedelta(days=7 * 365)
"""Seven years, like Intel's."""


@dataclass(frozen=True, repr=False)
class SimulatedPki:
    """Signs PCK leaves and collateral. SIMULATED: anyone with the seed can sign anything."""

    root: Authority
    platform_ca: Authority
    tcb_signing: Authority

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The same seed gives the same PKI, byte for byte."""

        def key(role: str) -> ec.EllipticCurvePrivateKey:
            return p256_key(
                hmac.new(seed, b"simulated pki/" + role.encode(), hashlib.sha384).digest()
            )

        root = certificates.self_signed("SIMULATED SGX Root CA", key("root"), ROOT_WINDOW)
        return cls(
            root=root,
            platform_ca=certificates.issued(
                root,
                "SIMULATED SGX PCK Platform CA",
                key("platform-ca"),
                ISSUED_WINDOW,
                path_length=0,
            ),
            tcb_signing=certificates.issued(
                root,
                "SIMULATED SGX TCB Signing",
                key("tcb-signing"),
                ISSUED_WINDOW,
                path_length=None,
            ),
        )

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The PKI in a folder, created on the first call: `seed` (secret) and the certificates as
        DER and PEM.

        Raises `DirectoryUnusable`, `PkiDamaged`.
        """
        create_directory(directory)
        with locked(directory):
            seed = read_file(directory / "seed")
            root = read_file(directory / "root.der")
            if seed is None and root is not None:
                raise PkiDamaged(directory, "the seed is missing")
            seed = seed or secrets.token_bytes(SEED_BYTES)
            if len(seed) != SEED_BYTES:
                raise PkiDamaged(
                    directory, f"the seed has {len(seed)} bytes instead of {SEED_BYTES}"
                )
            pki = cls.from_seed(seed)
            if root is None:
                write_file(directory / "seed", seed)
                pki._publish(directory)
            elif root != pki.root.der:
                raise PkiDamaged(directory, "root.der does not belong to the seed")
        return pki

    def issue_pck(
        self, public: ec.EllipticCurvePublicKey, identity: PlatformIdentity, at: datetime
    ) -> x509.Certificate:
        """Issues one machine's leaf, valid from a day before `at` so that clocks may differ."""
        start = at.replace(microsecond=0) - timedelta(days=1)
        return certificates.pck_leaf(self.platform_ca, public, identity, (start, start + PCK_LIFE))

    def _publish(self, directory: Path) -> None:
        """Writes the certificates. root.der comes last: it marks the folder as complete."""
        named = {
            "platform_ca": self.platform_ca,
            "tcb_signing": self.tcb_signing,
            "root": self.root,
        }
        for stem, authority in named.items():
            write_file(directory / f"{stem}.pem", authority.pem.encode("ascii"), 0o644)
            write_file(directory / f"{stem}.der", authority.der, 0o644)

    def __repr__(self) -> str:
        return f"SimulatedPki(root={self.root})"
