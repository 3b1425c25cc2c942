"""Where things stand in a TDX quote of version 4, and in its core. Source: Intel's sgx_quote_4.h.

Header 48 ‖ TD report 584 ‖ length 4 ‖ signature 64 ‖ attestation key 64 ‖ type 6 (2) ‖ length 4 ‖
QE report 384 ‖ its signature 64 ‖ length 2 ‖ QE authentication data 32 ‖ type 5 (2) ‖ length 4 ‖
PEM chain. Then, often, zeros.

The core leaves out the lengths, the types and the chain: nothing signs those.
"""

from typing import Final

HEADER_BYTES: Final = 48
TD_REPORT_BYTES: Final = 584
SIGNED_BYTES: Final = HEADER_BYTES + TD_REPORT_BYTES
SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 64
QE_REPORT_BYTES: Final = 384
QE_AUTH_BYTES: Final = 32

CORE_BYTES: Final = (
    SIGNED_BYTES + SIGNATURE_BYTES + KEY_BYTES + QE_REPORT_BYTES + SIGNATURE_BYTES + QE_AUTH_BYTES
)
"""1,240."""

TDX_V4_START: Final = bytes.fromhex("0400020081000000")
"""Version 4, key type 2 (ECDSA over P-256), TEE type 0x81; little-endian."""

CERTIFICATION_QE_REPORT: Final = 6
CERTIFICATION_PCK_CHAIN: Final = 5

MAX_QUOTE_BYTES: Final = 16_384
