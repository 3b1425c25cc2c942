# SPDX-License-Identifier: Apache-2.0
"""One simulated enclave: a machine, its guest, and the keys that the guest derives."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from tee_simulator.errors import IdentityDamaged, NameInvalid
from tee_simulator.guest.app_keys import AppKeys, derive
from tee_simulator.guest.compose import DEFAULT, Compose
from tee_simulator.guest.machine import SEED_BYTES, Machine
from tee_simulator.guest.measurements import KEY_PROVIDER, OS_IMAGE_HASH, GuestMeasurements
from tee_simulator.notice import SIMULATED
from tee_simulator.pki import tls_certificates
from tee_simulator.pki.signatures import p256_key
from tee_simulator.pki.simulated_pki import SimulatedPki
from tee_simulator.pki.tls_certificates import TlsRequest
from tee_simulator.secret_files import (
    create_directory,
    locked,
    read_file,
    read_or_create_secret,
    write_file,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, repr=False)
class SimulatedEnclave:
    """The state behind a guest agent. Tests that need no socket use it as a `GuestAgent` directly.

    SIMULATED: the keys are in files, the measurements are invented, the quotes chain to a test
    root.
    """

    name: str
    machine: Machine
    compose: Compose
    kms_key: bytes
    clock: Clock = utc_now
    app_keys: AppKeys = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "app_keys", AppKeys.from_kms(self.kms_key, self.app_id))

    @classmethod
    def open(
        cls,
        directory: Path,
        name: str,
        pki: SimulatedPki,
        compose: Compose | None = None,
        clock: Clock = utc_now,
    ) -> Self:
        """The enclave in `directory`/`name`, created on the first call.

        The folder holds `machine.seed`, `kms.key` (both mode 0600) and `pck.der`; it gives the same
        keys and the same platform after a restart.
        Raises `NameInvalid`, `DirectoryUnusable`, `IdentityDamaged`.
        """
        if not NAME.fullmatch(name):
            raise NameInvalid(name)
        home = directory / name
        create_directory(home)
        with locked(home):
            seed = read_or_create_secret(home / "machine.seed", SEED_BYTES)
            kms_key = read_or_create_secret(home / "kms.key", 32)
            machine = _machine(home, seed, pki, clock)
        return cls(name, machine, compose or Compose.parse(DEFAULT, "the default"), kms_key, clock)

    @property
    def app_id(self) -> bytes:
        """20 bytes, by dstack's rule for an app that no contract governs."""
        return self.compose.hash[:20]

    @property
    def instance_id(self) -> bytes:
        """20 bytes, unique per machine."""
        return hashlib.sha256(b"instance" + self.machine.identity.ppid + self.app_id).digest()[:20]

    @property
    def measurements(self) -> GuestMeasurements:
        """The registers of this guest."""
        return GuestMeasurements.of(
            compose_hash=self.compose.hash, app_id=self.app_id, instance_id=self.instance_id
        )

    def get_key(self, path: str) -> bytes:
        """32 secret bytes, determined by the path."""
        return self.app_keys.get_key(path)

    def get_quote(self, report_data: bytes) -> bytes:
        """A quote over 64 bytes of report data: 5,006 bytes."""
        return self.machine.quote(self.measurements, report_data)

    def get_tls_key(self, request: TlsRequest) -> tuple[str, list[str]]:
        """A fresh TLS key and its certificate chain, both PEM."""
        app_key = p256_key(derive(self.app_keys.root, b"simulated tls authority", size=48))
        return tls_certificates.issue(app_key, request, self.clock())

    @property
    def vm_config(self) -> str:
        """dstack's description of the machine."""
        shape = {"spec_version": 1, "os_image_hash": OS_IMAGE_HASH.hex(), "simulated": SIMULATED}
        return json.dumps(shape, separators=(",", ":"))

    def info(self) -> dict[str, str]:
        """The response of `/Info`, with dstack's field names."""
        measured, compose_hash = self.measurements, self.compose.hash.hex()
        device_id = hashlib.sha256(self.machine.identity.ppid).hexdigest()
        registers = {f"rtmr{n}": rtmr.hex() for n, rtmr in enumerate(measured.rtmrs)}
        tcb_info = {
            "mrtd": measured.mrtd.hex(),
            **registers,
            "mr_aggregated": measured.mr_aggregated.hex(),
            "os_image_hash": OS_IMAGE_HASH.hex(),
            "compose_hash": compose_hash,
            "device_id": device_id,
            "event_log": [event.as_json() for event in measured.events],
            "app_compose": self.compose.document.decode("utf-8"),
        }
        return {
            "app_id": self.app_id.hex(),
            "instance_id": self.instance_id.hex(),
            "app_cert": "",
            "tcb_info": json.dumps(tcb_info, indent=2),
            "app_name": self.compose.name or self.name,
            "device_id": device_id,
            "mr_aggregated": measured.mr_aggregated.hex(),
            "os_image_hash": OS_IMAGE_HASH.hex(),
            "key_provider_info": KEY_PROVIDER,
            "compose_hash": compose_hash,
            "vm_config": self.vm_config,
            "cloud_vendor": SIMULATED,
            "cloud_product": "tee_simulator",
        }

    def __repr__(self) -> str:
        return f"SimulatedEnclave({self.name}, app_id={self.app_id.hex()})"


def _machine(home: Path, seed: bytes, pki: SimulatedPki, clock: Clock) -> Machine:
    kept = read_file(home / "pck.der")
    if kept is None:
        machine = Machine.from_seed(seed, pki, clock())
        leaf = machine.pck.public_bytes(Encoding.DER)
        write_file(home / "pck.der", leaf, 0o644)
        return machine
    try:
        return Machine.with_leaf(seed, pki, x509.load_der_x509_certificate(kept))
    except (ValueError, TypeError, InvalidSignature) as error:
        reason = "pck.der was not issued to this machine by the PKI in use"
        raise IdentityDamaged(home, reason) from error
