# SPDX-License-Identifier: Apache-2.0
"""How many nodes must agree."""

from teetee.chain.errors import QuorumInvalid


def quorum_of(count: int, chosen: int | None = None) -> int:
    """Of `count` nodes; unless one is `chosen`, more than half: 1 of 1, 2 of 2, 2 of 3, 3 of 5.

    Two groups of more than half always share a node. So two different answers can never both be
    believed, and with three nodes or more a single one can neither forge an answer nor stop all.

    Raises `QuorumInvalid`.
    """
    if count < 1:
        raise ValueError("at least one RPC URL is needed")
    if chosen is None:
        return count // 2 + 1
    if not 1 <= chosen <= count:
        raise QuorumInvalid(chosen, count)
    return chosen
