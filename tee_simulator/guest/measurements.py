# SPDX-License-Identifier: Apache-2.0
"""The measurements of a simulated guest, and the event log from which anyone can replay RTMR3.

MRTD, MRSEAM and RTMR0 to RTMR2 are constant digests of strings that say "simulated", so every
simulated machine runs the same "image". MRCONFIGID and RTMR3 follow from the compose document, as
in dstack.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Self

IMAGE = "teetee simulated image 1, not measured by hardware"

RUNTIME_EVENT = 0x08000001
"""dstack's event type for extensions of RTMR3."""


def _simulated(register: str) -> bytes:
    return hashlib.sha384(f"{IMAGE}: {register}".encode()).digest()


MR_SEAM = _simulated("MRSEAM")
MRTD = _simulated("MRTD")
OS_IMAGE_HASH = hashlib.sha256(IMAGE.encode()).digest()
QE_MRENCLAVE = hashlib.sha256(f"{IMAGE}: QE".encode()).digest()

KEY_PROVIDER = json.dumps({"name": "simulated", "id": ""}, separators=(",", ":"))


@dataclass(frozen=True)
class Event:
    """One extension of a runtime register."""

    register: int
    event_type: int
    name: str
    payload: bytes

    @property
    def digest(self) -> bytes:
        """SHA-384(type ‖ ":" ‖ name ‖ ":" ‖ payload), by dstack's log version 1."""
        start = self.event_type.to_bytes(4, "little")
        return hashlib.sha384(b":".join((start, self.name.encode(), self.payload))).digest()

    def as_json(self) -> dict[str, int | str]:
        """With dstack's field names."""
        return {
            "imr": self.register,
            "event_type": self.event_type,
            "digest": self.digest.hex(),
            "event": self.name,
            "event_payload": self.payload.hex(),
        }


@dataclass(frozen=True)
class GuestMeasurements:
    """The registers of one simulated guest, 48 bytes each, and the log that explains them."""

    mr_config_id: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    events: tuple[Event, ...]
    mr_seam: bytes = MR_SEAM
    mrtd: bytes = MRTD

    @classmethod
    def of(cls, *, compose_hash: bytes, app_id: bytes, instance_id: bytes) -> Self:
        """The measurements of a guest (hash of 32 bytes, ids of 20 bytes each)."""
        boot = tuple(Event(n, 0, f"{IMAGE}: RTMR{n}", b"") for n in range(3))
        runtime = tuple(
            Event(3, RUNTIME_EVENT, name, payload)
            for name, payload in (
                ("system-preparing", b""),
                ("app-id", app_id),
                ("compose-hash", compose_hash),
                ("instance-id", instance_id),
                ("boot-mr-done", b""),
                ("key-provider", KEY_PROVIDER.encode()),
                ("storage-fs", b"simulated"),
                ("system-ready", b""),
            )
        )
        events = (*boot, *runtime)
        return cls(
            # dstack's version 1: 01 ‖ SHA-256 of the compose document ‖ zeros
            mr_config_id=b"\x01" + compose_hash + bytes(15),
            rtmrs=(replay(events, 0), replay(events, 1), replay(events, 2), replay(events, 3)),
            events=events,
        )

    @property
    def mr_aggregated(self) -> bytes:
        """dstack's digest over all registers: 32 bytes."""
        return hashlib.sha256(
            self.mrtd + b"".join(self.rtmrs) + self.mr_config_id + bytes(96)
        ).digest()

    @property
    def event_log(self) -> str:
        """The events as dstack's JSON, from which the registers can be replayed."""
        return json.dumps([event.as_json() for event in self.events], separators=(",", ":"))


def replay(events: tuple[Event, ...], register: int) -> bytes:
    """Replays a register: 48 zeros, then SHA-384(register ‖ digest) for each event."""
    value = bytes(48)
    for event in events:
        if event.register == register:
            value = hashlib.sha384(value + event.digest).digest()
    return value
