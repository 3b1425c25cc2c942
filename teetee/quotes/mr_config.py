# SPDX-License-Identifier: Apache-2.0
"""MRCONFIGID as dstack writes it: which compose document a guest was started for.

    version 1   01 ‖ compose hash 32 ‖ zeros
    version 2   02 ‖ keccak256(compose hash, app id, kind of key provider, its id) ‖ zeros
    version 3   03 ‖ sha256("dstack-mr-config-v3:" ‖ 00 ‖ document) ‖ zeros

The measured image refuses to start with another compose document than MRCONFIGID names; where it is
all zero it starts with any.
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
    """48 bytes that name a compose document by its 32-byte hash."""
    return (b"\x01" + compose_hash).ljust(MR_CONFIG_BYTES, b"\x00")


def describe(mr_config_id: bytes) -> str:
    """What kind it is, and the digest in it."""
    if not any(mr_config_id):
        return "all zero: no configuration named"
    meaning = _MEANINGS.get(mr_config_id[0])
    if meaning is None or any(mr_config_id[_DIGEST_END:]):
        return "not dstack's"
    return f"{meaning} {mr_config_id[1:_DIGEST_END].hex()}"
