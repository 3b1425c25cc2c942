# SPDX-License-Identifier: Apache-2.0
"""A paid question by the `teetee` command, in the world of the other tests.

given a running world and a funded wallet
    when the command asks with greedy decoding
        it should stream the answer, which equals the one on the chain
        it should be verified from the chain alone, and account for every unit of the deposit
given the host of an active shard
    when it asks on its allowance
        it should get an answer without a deposit
"""

import pytest

from demo.phases.ask import ask
from demo.phases.ledger import read_ledger
from demo.phases.verify import verify
from demo.world import World
from tests.system.requester import Requester

pytestmark = pytest.mark.system

QUESTION = "Why is the sky blue?"
TOKENS = 24


def test_ask__over_three_stages__streams_and_is_verified(
    world: World, requester: Requester
) -> None:
    pieces: list[str] = []
    asked = ask(
        world.command,
        requester.wallet,
        QUESTION,
        *("--max-tokens", str(TOKENS)),
        on_text=pieces.append,
    )
    assert asked.output_tokens == TOKENS == len(asked.token_ids)
    assert asked.stream_agrees
    assert len(pieces) > 1
    assert "".join(pieces) == asked.answer

    found = verify(
        world.command, world.connection(), world.deployment, world.wallets, asked.request_id
    )
    assert [check for check in found.report["checks"] if not check["ok"]] == []
    assert found.verified
    assert found.sums_up
    assert [stage["layers"] for stage in found.report["path"]] == [[0, 8], [8, 19], [19, 30]]
    assert len({stage["host"] for stage in found.report["path"]}) == 3


def test_ask__host_with_an_active_shard__pays_nothing(world: World) -> None:
    enclave = world.enclave("middle")
    result = world.command.attempt(
        "allowance",
        *("ask", "-", "--allowance", str(enclave.shard_id), "--max-tokens", "4", "--no-verify"),
        wallet=enclave.host,
        stdin=b"Name a colour.",
    )
    assert result.status == 0
    assert (result.value["status"], result.value["deposit"], result.value["cost"]) == (
        "SETTLED",
        "0",
        "0",
    )
    used = [entry.name for entry in read_ledger(world.chain, world.deployment).named("request")]
    assert used[-1] == "requestOnAllowance"


def test_ask__stranger_on_a_hosts_allowance__is_refused(world: World, requester: Requester) -> None:
    result = world.command.attempt(
        "allowance",
        *("ask", "-", "--allowance", str(world.enclave("middle").shard_id), "--max-tokens", "4"),
        wallet=requester.wallet,
        stdin=b"Name a colour.",
    )
    assert result.status == 1
    assert result.error == "ShardOfAnother"
