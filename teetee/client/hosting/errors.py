# SPDX-License-Identifier: Apache-2.0
"""Errors of hosting a shard: its bond, and the enclave that takes its place."""

from __future__ import annotations

from teetee.errors import Fatal


class BondNotCovered(Fatal):
    """The wallet has too few tokens for the bond."""

    def __init__(self, address: str, needed: str, available: str) -> None:
        super().__init__(
            f"The bond is {needed}, and {address} has {available}. Get tokens first (on test "
            "networks with `teetee wallet faucet`), then try again."
        )


class OtherEnclave(Fatal):
    """The enclave is not the enrolled one."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(
            f"The enclave has other keys than shard {shard_id}: its machine was rebooted, or it is "
            f"another enclave. After a reboot, `teetee host rekey {shard_id}` gives the shard the "
            "new keys; otherwise name the right enclave with --connect."
        )


class OtherLayers(Fatal):
    """The enclave serves another part of a model than the shard."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(
            f"The enclave serves another model or other layers than shard {shard_id}, or is of "
            "another kind. Start it with the shard's settings, or enrol it as a shard of its own."
        )


class KeysUnchanged(Fatal):
    """The enclave has the keys that the shard has already."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(
            f"The enclave still has the keys of shard {shard_id}, so there is nothing to replace. "
            f"To extend its attestation: `teetee host renew {shard_id}`."
        )
