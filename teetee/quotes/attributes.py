# SPDX-License-Identifier: Apache-2.0
"""Names of the bits in a report's attributes. Sources: Intel TDX module ABI (ATTRIBUTES, XFAM) and
Intel SDM volume 3D (SGX ATTRIBUTES)."""

from collections.abc import Mapping
from typing import Final

TD_ATTRIBUTES: Final = {
    0: "DEBUG",
    **{bit: f"TUD reserved {bit}" for bit in (1, 2, 3, 7)},
    4: "HGS_PLUS_PROF",
    5: "PERF_PROF",
    6: "PMT_PROF",
    16: "ICSSD",
    17: "SERVTD_EXT",
    27: "LASS",
    28: "SEPT_VE_DISABLE",
    29: "MIGRATABLE",
    30: "PKS",
    31: "KL",
    62: "TPA",
    63: "PERFMON",
}
XFAM: Final = {
    0: "x87",
    1: "SSE",
    2: "AVX",
    3: "MPX BNDREGS",
    4: "MPX BNDCSR",
    5: "AVX-512 opmask",
    6: "AVX-512 ZMM_Hi256",
    7: "AVX-512 Hi16_ZMM",
    8: "PT",
    9: "PKRU",
    10: "PASID",
    11: "CET user",
    12: "CET supervisor",
    13: "HDC",
    14: "UINTR",
    15: "LBR",
    16: "HWP",
    17: "AMX tile configuration",
    18: "AMX tile data",
    19: "APX",
}
SGX_ATTRIBUTES: Final = {
    0: "INIT",
    1: "DEBUG",
    2: "MODE64BIT",
    4: "PROVISIONKEY",
    5: "EINITTOKEN_KEY",
    6: "CET",
    7: "KSS",
    10: "AEXNOTIFY",
}


def flag_names(value: bytes, names: Mapping[int, str]) -> tuple[str, ...]:
    """The names of the bits that are set; bit 0 is the lowest bit of the first byte."""
    number = int.from_bytes(value, "little")
    bits = (bit for bit in range(len(value) * 8) if number >> bit & 1)
    return tuple(names.get(bit, f"reserved {bit}") for bit in bits)
