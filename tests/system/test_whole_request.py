# SPDX-License-Identifier: Apache-2.0
"""A paid question by the real command, in the world that the other tests use as well.

given a running world and a funded wallet
    when the real command asks greedily
        it should show the answer as it is made, the same as the chain's in the end
        it should be verified from the chain alone, and every unit of the deposit be accounted for
given the host of an active shard
    when it asks on its allowance
        it should be answered without a deposit
"""

import pytest

from demo.output.ledger import read_ledger
from demo.phases.ask import ask
from demo.phases.audit import audit
from demo.world import World
from tests.system.asking import Asking

pytestmark = pytest.mark.system

QUESTION = "Why is the sky blue?"
TOKENS = 24


def test_ask__over_three_stages__streams_and_is_proven(world: World, asking: Asking) -> None:
    pieces: list[str] = []
    asked = ask(
        world.command,
        asking.wallet,
        QUESTION,
        *("--max-tokens", str(TOKENS)),
        on_text=pieces.append,
    )
    assert asked.output_tokens == TOKENS == len(asked.token_ids)
    assert asked.stream_agrees
    assert len(pieces) > 1
    assert "".join(pieces) == asked.answer

    found = audit(
        world.command, world.connection(), world.deployment, world.wallets, asked.request_id
    )
    assert [check for check in found.verification["checks"] if not check["ok"]] == []
    assert found.verified
    assert found.sums_up
    assert [stage["layers"] for stage in found.verification["path"]] == [[0, 8], [8, 19], [19, 30]]
    assert len({stage["host"] for stage in found.verification["path"]}) == 3


def test_ask__host_with_an_active_shard__pays_nothing(world: World) -> None:
    enclave = world.enclave("middle")
    said = world.command.attempt(
        "allowance",
        *("ask", "-", "--allowance", str(enclave.shard_id), "--max-tokens", "4", "--no-verify"),
        wallet=enclave.host,
        given=b"Name a colour.",
    )
    assert said.status == 0
    assert (said.value["status"], said.value["deposit"], said.value["cost"]) == (
        "SETTLED",
        "0",
        "0",
    )
    used = [entry.name for entry in read_ledger(world.chain, world.deployment).named("request")]
    assert used[-1] == "requestOnAllowance"


def test_ask__stranger_on_a_hosts_allowance__is_refused(world: World, asking: Asking) -> None:
    said = world.command.attempt(
        "allowance",
        *("ask", "-", "--allowance", str(world.enclave("middle").shard_id), "--max-tokens", "4"),
        wallet=asking.wallet,
        given=b"Name a colour.",
    )
    assert said.status == 1
    assert said.error in {"AllowanceTooSmall", "NotTheShardsHost"}
