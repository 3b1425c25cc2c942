# SPDX-License-Identifier: Apache-2.0
"""MRCONFIGID as dstack writes it: the compose document that a guest was started with.

    version 1   01 ‖ compose hash 32 ‖ zeros
    version 2   02 ‖ keccak256(compose hash, app id, kind of key provider, its id) ‖ zeros
    version 3   03 ‖ sha256("dstack-mr-config-v3:" ‖ 00 ‖ document) ‖ zeros

The measured image starts only the compose document that MRCONFIGID names, or any if it is all zero.
"""

from typing import Final

MR_CONFIG_BYTES: Final = 48
_DIGEST_END: Final = 33
_MEANINGS: Final = {
    1: "dstack version 1: compose hash",
    2: "dstack version 2: hash of compose hash, app id and key provider",
    3: "dstack version 3: hash of a configuration document",
}


def mr_config_v1(compose_hash: bytes) -> bytes:
    """The 48-byte MRCONFIGID for a compose document's 32-byte hash."""
    return (b"\x01" + compose_hash).ljust(MR_CONFIG_BYTES, b"\x00")


def describe_mr_config(mr_config_id: bytes) -> str:
    """Its version in words, and the digest in it."""
    if not any(mr_config_id):
        return "all zero: no configuration named"
    meaning = _MEANINGS.get(mr_config_id[0])
    if meaning is None or any(mr_config_id[_DIGEST_END:]):
        return "not dstack's"
    return f"{meaning} {mr_config_id[1:_DIGEST_END].hex()}"
