# SPDX-License-Identifier: Apache-2.0
"""The fixed-size structures of a TDX v4 quote.

Source: Intel TDX DCAP Quoting Library API 0.9 appendix A.3 (sgx_quote_4.h) and Intel TDX Module 1.5
Base Architecture (TDREPORT 1.0). Integers are little-endian.
"""

import struct
from dataclasses import dataclass

from tee_simulator.guest.measurements import GuestMeasurements

INTEL_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
TEE_TYPE_TDX = 0x81
ATTESTATION_KEY_P256 = 2

HEADER_BYTES, TD_REPORT_BYTES, QE_REPORT_BYTES = 48, 584, 384

TEE_TCB_SVN = bytes([5, 3, 4]) + bytes(13)
"""TDX module version 3 with security version 5, and a SEAM loader component, as current machines
report."""

TD_ATTRIBUTES = (1 << 28).to_bytes(8, "little")
"""Only SEPT_VE_DISABLE: no debug, no migration, no performance counters."""

XFAM = bytes.fromhex("e702060000000000")

TD_QE_MRSIGNER = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
"""The signer of Intel's TD quoting enclave, so that a verifier can require it here too."""
TD_QE_PRODUCT, TD_QE_SVN = 2, 6
QE_ATTRIBUTES = bytes.fromhex("1500000000000000e700000000000000")
"""INIT, MODE64BIT and PROVISIONKEY, without DEBUG; XFRM as on real machines."""


@dataclass(frozen=True)
class TdReport:
    """TDREPORT 1.0: 584 bytes."""

    measurements: GuestMeasurements
    report_data: bytes
    """64 bytes, chosen by the caller."""

    def encode(self) -> bytes:
        """SEAM measurement, initial measurements, runtime registers, report data: 584 bytes."""
        measured = self.measurements
        body = b"".join(
            (
                TEE_TCB_SVN,
                measured.mr_seam,
                bytes(48),  # MRSIGNERSEAM: zero is Intel's module
                bytes(8),  # SEAMATTRIBUTES
                TD_ATTRIBUTES,
                XFAM,
                measured.mrtd,
                measured.mr_config_id,
                bytes(48),  # MROWNER
                bytes(48),  # MROWNERCONFIG
                *measured.rtmrs,
                self.report_data,
            )
        )
        if len(body) != TD_REPORT_BYTES:
            raise ValueError(f"a TD report must have {TD_REPORT_BYTES} bytes, not {len(body)}")
        return body


def header(qe_id: bytes) -> bytes:
    """The quote header: version 4, P-256, TDX. The user data begins with `qe_id` (16 bytes), as on
    real machines."""
    start = struct.pack("<HHIHH", 4, ATTESTATION_KEY_P256, TEE_TYPE_TDX, 0, 0)
    return start + INTEL_QE_VENDOR + qe_id + bytes(4)


def qe_report(cpu_svn: bytes, mr_enclave: bytes, report_data: bytes) -> bytes:
    """The quoting enclave's SGX report, 384 bytes."""
    report = b"".join(
        (
            cpu_svn,
            bytes(4 + 28),  # MISCSELECT, reserved
            QE_ATTRIBUTES,
            mr_enclave,
            bytes(32),
            TD_QE_MRSIGNER,
            bytes(96),
            struct.pack("<HH", TD_QE_PRODUCT, TD_QE_SVN),
            bytes(60),
            report_data,
        )
    )
    if len(report) != QE_REPORT_BYTES:
        raise ValueError(f"a QE report must have {QE_REPORT_BYTES} bytes, not {len(report)}")
    return report
