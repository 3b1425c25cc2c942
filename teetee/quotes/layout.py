# SPDX-License-Identifier: Apache-2.0
"""Sizes and constants of TDX quotes of versions 4 and 5, and of their cores. Source: Intel's
sgx_quote_4.h and sgx_quote_5.h.

Header 48 ‖ (version 5: body type 2 ‖ body size 4) ‖ TD report 584, 648 or 885 ‖ length 4
‖ signature 64 ‖ attestation key 64 ‖ type 6 (2) ‖ length 4 ‖ QE report 384 ‖ its signature 64 ‖
length 2 ‖ QE authentication data 32 ‖ type 5 (2) ‖ length 4 ‖ PEM chain, often followed by zeros.

The core omits the lengths after the report, the types and the chain: no signature covers them.
"""

from typing import Final

HEADER_BYTES: Final = 48
BODY_HEAD_BYTES: Final = 6
TD_REPORT_BYTES: Final = 584
TD_REPORT_15_BYTES: Final = 648
TD_REPORT_15_EX_BYTES: Final = 885
SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 64
QE_REPORT_BYTES: Final = 384
QE_AUTH_BYTES: Final = 32

SIGNATURES_BYTES: Final = (
    SIGNATURE_BYTES + KEY_BYTES + QE_REPORT_BYTES + SIGNATURE_BYTES + QE_AUTH_BYTES
)
"""After the signed part of a core: 608."""

CORE_BYTES: Final = HEADER_BYTES + TD_REPORT_BYTES + SIGNATURES_BYTES
"""1,240, of version 4."""

TDX_V4_START: Final = bytes.fromhex("0400020081000000")
TDX_V5_START: Final = bytes.fromhex("0500020081000000")
"""Version, key type 2 (ECDSA over P-256), TEE type 0x81; little-endian."""

V5_BODIES: Final = {
    bytes.fromhex("020048020000"): TD_REPORT_BYTES,
    bytes.fromhex("030088020000"): TD_REPORT_15_BYTES,
    bytes.fromhex("040075030000"): TD_REPORT_15_EX_BYTES,
}
"""Body type (2: TD report 1.0, 3: 1.5, 4: 1.5 extended) and size, little-endian, to the size."""

CERTIFICATION_QE_REPORT: Final = 6
CERTIFICATION_PCK_CHAIN: Final = 5

MAX_QUOTE_BYTES: Final = 16_384
