# SPDX-License-Identifier: Apache-2.0
"""`ask`, `resume` and `verify` as a shell sees them, on a real chain with simulated quotes.

given enclaves that answer
    when a wallet asks
        it should print the answer alone to stdout, and nothing of it or the prompt elsewhere
        it should print one JSON value with --json, and pieces before it with --stream
given a question that cannot be paid or served
    when a wallet asks
        it should say so before anything is sent
given a settled request
    when anyone verifies
        it should exit 0 with every check passed
        it should exit 1 when the collateral cannot be had, or the quotes are not accepted
given a request that ended without an answer
    when the wallet waits or anyone verifies
        it should say what happened
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from teetee.chain.contracts.escrow import Escrow
from teetee.chain.types.requests import Allowance, DeclineReason, RequestOpened
from teetee.client.client import Client
from teetee.client.requests.pending_requests import PendingRequests
from teetee.client.requests.request_spec import RequestSpec
from teetee.protocol.identifiers import RequestId
from tests.teetee.chain.local_chain import TEE, free_port
from tests.teetee.cli.terminal import at_lab, teetee
from tests.teetee.client.lab import ANSWER, AtWork, Lab

pytestmark = pytest.mark.timeout(120)

CANARY = "canary-7f3a prompt"
QUICK = ("--deadline", "60", "--max-tokens", "20")


def answering(lab: Lab) -> AtWork:
    def work(opened: RequestOpened) -> None:
        lab.texts[opened.request_id] = [ANSWER[:7], ANSWER[7:]]
        lab.settle(opened, lab.enclaves[:3])

    return AtWork(lab, work)


def test_ask__answered__prints_the_answer_alone(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with answering(lab):
        result = teetee("ask", CANARY, *QUICK, env=env)
    assert result.status == 0
    assert result.out == ANSWER + "\n"
    assert "is verified: " in result.err
    assert CANARY not in result.err
    assert ANSWER not in result.err
    assert list((tmp_path / "teetee").iterdir()) == []


def test_ask__json__is_one_value_with_the_whole_audit(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with answering(lab):
        result = teetee("ask", "-", "--json", *QUICK, env=env, given=CANARY)
    value = result.json
    assert (result.status, value["answer"], value["status"]) == (0, ANSWER, "SETTLED")
    assert (value["inputTokens"], value["outputTokens"]) == (20, 5)
    assert value["tokenIds"] == [0, 1, 2, 3, 4]
    assert value["verified"] is True
    assert value["verification"]["sumsUp"] is True
    assert int(value["cost"]) + int(value["refund"]) == int(value["deposit"])
    assert value["gasUsed"] > 0


def test_ask__json_and_stream__prints_pieces_before_the_result(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with answering(lab):
        result = teetee("ask", CANARY, "--json", "--stream", "--no-verify", *QUICK, env=env)
    *pieces, result = [json.loads(line) for line in result.out.splitlines()]
    assert "".join(piece["text"] for piece in pieces) == ANSWER
    assert (result["answer"], result["verified"]) == (ANSWER, None)


def test_ask__on_allowance__costs_nothing(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.enclaves[1].host)
    with answering(lab):
        result = teetee("ask", CANARY, "--allowance", "2", "--json", *QUICK, env=env)
    assert (result.status, result.json["deposit"], result.json["cost"]) == (0, "0", "0")
    assert result.json["verified"] is True


def test_ask__no_source_of_collateral__answers_unverified_with_a_warning(
    lab: Lab, tmp_path: Path
) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    del env["TEETEE_PCCS"]
    with answering(lab):
        result = teetee("ask", CANARY, "--json", *QUICK, env=env)
    assert (result.status, result.json["verified"]) == (0, False)
    failed = {check["name"] for check in result.json["verification"]["checks"] if not check["ok"]}
    assert failed == {"quote of shard 1", "quote of shard 2", "quote of shard 3"}
    assert "Quotes are not checked here" in result.err


def test_ask__collateral_away__sends_nothing(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    env["TEETEE_PCCS"] = f"http://127.0.0.1:{free_port()}"
    before = lab.world.escrow.request_count()
    result = teetee("ask", CANARY, "--json", *QUICK, env=env)
    assert (result.status, result.json["error"]["name"]) == (75, "PathUncheckable")
    assert lab.world.escrow.request_count() == before


@pytest.mark.parametrize(
    ("options", "tokens", "name"),
    [
        ((), 0, "InsufficientTokens"),
        (("--max-price", "0.000001"), TEE, "PriceAboveLimit"),
        (("--model", "9"), TEE, "UnknownModel"),
        (("--model", "nameless"), TEE, "ModelUnknown"),
        (("--recipients", "2"), TEE, "TooFewEntries"),
        (("--deadline", "5"), TEE, "InvalidQuestion"),
        (("--max-tokens", "2048"), TEE, "PromptTooLong"),
        (("--allowance", "1"), TEE, "ShardOfAnother"),
        (("--allowance", "999"), TEE, "UnknownShard"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_ask__cannot_be_served__says_so_and_sends_nothing(
    lab: Lab, tmp_path: Path, options: tuple[str, ...], tokens: int, name: str
) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=tokens))
    before = lab.world.escrow.request_count()
    result = teetee("ask", CANARY, "--json", *options, env=env)
    assert (result.status, result.json["error"]["name"]) == (1, name)
    assert lab.world.escrow.request_count() == before
    assert not (tmp_path / "teetee").exists() or not list((tmp_path / "teetee").iterdir())


def test_ask__prompt_beyond_the_context__says_so(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    result = teetee("ask", "-", "--json", env=env, given="word " * 20_000)
    assert result.json["error"]["name"] == "PromptTooLong"


def test_ask__prompt_that_may_exceed_the_context__says_so_before_it_pays(
    lab: Lab, tmp_path: Path
) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=3 * TEE))
    with AtWork(lab, lambda opened: lab.decline(opened, lab.enclaves[0], DeclineReason.INVALID)):
        result = teetee("ask", "-", *QUICK, "--no-verify", env=env, given="word " * 1_000)
    warning = "The prompt (5,000 bytes) may not fit: the model's context has 2,048 tokens, 20 of"
    assert result.err.index(warning) < result.err.index("is on the chain")
    assert "Shorten or change the question" in result.err
    assert "To be safe, shorten the prompt or lower --max-tokens" in result.err


def test_ask__prompt_that_may_exceed_its_own_limit__names_the_option(
    lab: Lab, tmp_path: Path
) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with answering(lab):
        result = teetee("ask", CANARY, *QUICK, "--max-input-tokens", "30", env=env)
    assert "may have more than 30 tokens" in result.err
    assert "raise --max-input-tokens or leave it out" in result.err


def test_ask__host_without_allowance_left__says_how_little_there_is(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = at_lab(lab, tmp_path, lab.enclaves[1].host)
    monkeypatch.setattr(Escrow, "allowance_in", lambda *_: lambda: Allowance(quota=100, used=93))
    result = teetee("ask", CANARY, "--allowance", "2", *QUICK, "--json", env=env)
    assert (result.status, result.json["error"]["name"]) == (1, "AllowanceTooSmall")
    assert "has 7 tokens left today" in result.err


def test_ask__path_with_a_gap__says_which_layers(lab: Lab, tmp_path: Path) -> None:
    registry = lab.world.registry
    lab.world.sender(lab.enclaves[1].host).send(registry.retire(lab.enclaves[1].shard_id or 0))  # type: ignore[arg-type]
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    result = teetee("ask", CANARY, "--json", *QUICK, env=env)
    assert (result.status, result.json["error"]["name"]) == (1, "PathIncomplete")
    assert "layer 2" in result.json["error"]["message"]


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        (DeclineReason.INVALID, 1, "Shorten or change the question"),
        (DeclineReason.OVERLOADED, 75, "Ask again"),
    ],
    ids=["for good", "for now"],
)
def test_ask__declined__says_why(
    lab: Lab, tmp_path: Path, reason: DeclineReason, status: int, words: str
) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with AtWork(lab, lambda opened: lab.decline(opened, lab.enclaves[0], reason)):
        result = teetee("ask", CANARY, "--json", *QUICK, env=env)
    assert result.status == status
    assert (result.json["status"], result.json["declineReason"]) == ("DECLINED", reason.name)
    assert result.json["refund"] == result.json["deposit"]
    assert result.json["verified"] is True
    assert words in result.err


def test_ask__declined__ends_with_the_reason_and_not_with_a_tick(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with AtWork(lab, lambda opened: lab.decline(opened, lab.enclaves[0], DeclineReason.NO_PATH)):
        result = teetee("ask", CANARY, *QUICK, env=env)
    *_, verified, reason = result.err.splitlines()
    assert verified.endswith("is verified: 5 checks passed")
    assert "✓" not in result.err
    assert reason.startswith("error: Shard 1 declined request")
    assert "`teetee shards --probe`" in reason


def test_ask__on_allowance__says_that_it_is_free(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.enclaves[1].host)
    with answering(lab):
        result = teetee("ask", CANARY, "--allowance", "2", *QUICK, env=env)
    assert "20 tokens in, 5 out; free\n" in result.err
    assert "0 TEE" not in result.err


def test_resume__after_a_dead_run__lists_and_answers(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=TEE)
    env = at_lab(lab, tmp_path, requester)
    opened_by_hand(lab, tmp_path, requester)
    [waiting] = teetee("resume", "--json", env=env).json
    assert waiting["status"] == "OPEN"
    shown = teetee("resume", env=env).out
    assert re.search(r" UTC  waiting  deposit 0\.\d+ TEE  teetee resume \d+$", shown)
    request = lab.world.escrow.request_of(waiting["requestId"])
    lab.settle(lab.world.history.opened(request), lab.enclaves[:3])
    result = teetee("resume", str(waiting["requestId"]), "--json", env=env)
    assert (result.status, result.json["answer"]) == (0, ANSWER)
    assert teetee("resume", "--json", env=env).json == []


def opened_by_hand(lab: Lab, folder: Path, requester: LocalAccount) -> None:
    client = Client(
        lab.contracts(),
        requester,
        quotes=lab.quote_check(),
        verification_quotes=lab.quote_check(),
        pending=PendingRequests(folder / "teetee"),
        poll_seconds=0.05,
    )
    client.open_request(
        client.prepare_offer(RequestSpec(CANARY, max_tokens=20, deadline_seconds=600))
    )


def test_ask__interrupted__says_how_to_go_on_and_keeps_the_secret(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with monkeypatch.context() as patch:
        patch.setattr(Client, "await_answer", interrupted)
        result = teetee("ask", CANARY, "--json", *QUICK, env=env)
    request = lab.world.escrow.request_count()
    assert result.status == 130
    assert f"`teetee resume {request}`" in result.err
    [kept] = (tmp_path / "teetee").iterdir()
    assert CANARY not in kept.read_text()
    opened = lab.world.history.opened(lab.world.escrow.request_of(RequestId(request)))
    lab.settle(opened, lab.enclaves[:3])
    assert teetee("resume", str(request), "--json", env=env).json["answer"] == ANSWER


def test_verify__settled__exits_0_without_a_wallet(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with answering(lab):
        request = teetee("ask", CANARY, "--no-verify", "--json", *QUICK, env=env).json["requestId"]
    result = teetee("verify", str(request), "--json", env=at_lab(lab, tmp_path))
    assert result.status == 0
    assert result.json["verified"] is True
    assert len(result.json["path"]) == 3
    shown = teetee("verify", str(request), env=at_lab(lab, tmp_path))
    assert shown.status == 0
    assert "✓" in shown.out
    assert "✗" not in shown.out


@pytest.mark.parametrize("pccs", ["away", "none"])
def test_verify__collateral_not_to_be_had__fails_closed(
    lab: Lab, tmp_path: Path, pccs: str
) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    with answering(lab):
        request = teetee("ask", CANARY, "--no-verify", "--json", *QUICK, env=env).json["requestId"]
    env = at_lab(lab, tmp_path)
    if pccs == "none":
        del env["TEETEE_PCCS"]
    else:
        env["TEETEE_PCCS"] = f"http://127.0.0.1:{free_port()}"
    result = teetee("verify", str(request), "--json", env=env)
    assert (result.status, result.json["verified"]) == (1, False)
    failed = {check["name"] for check in result.json["checks"] if not check["ok"]}
    assert failed == {"quote of shard 1", "quote of shard 2", "quote of shard 3"}


def test_verify__still_open__is_not_verified(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=TEE)
    opened_by_hand(lab, tmp_path, requester)
    request = lab.world.escrow.request_count()
    result = teetee("verify", str(request), "--json", env=at_lab(lab, tmp_path))
    assert (result.status, result.json["status"], result.json["verified"]) == (1, "OPEN", False)


def test_verify__unknown_request__says_so(lab: Lab, tmp_path: Path) -> None:
    result = teetee("verify", "999", "--json", env=at_lab(lab, tmp_path))
    assert (result.status, result.json["error"]["name"]) == (1, "UnknownRequest")


def test_ask__wrong_chain__says_so(lab: Lab, tmp_path: Path) -> None:
    env = at_lab(lab, tmp_path, lab.world.account("requester", tokens=TEE))
    path = tmp_path / "elsewhere.json"
    deployment = json.loads(lab.deployment_file.read_text())
    path.write_text(json.dumps(deployment | {"chainId": 8453}))
    result = teetee("ask", CANARY, "--json", "--deployment", str(path), env=env)
    assert (result.status, result.json["error"]["name"]) == (1, "WrongChain")


def test_ask__no_ether__says_so_and_forgets_the_secret(lab: Lab, tmp_path: Path) -> None:
    requester = lab.world.account("requester", tokens=TEE)
    lab.chain.fund(requester.address, 0)
    result = teetee("ask", CANARY, "--json", *QUICK, env=at_lab(lab, tmp_path, requester))
    assert (result.status, result.json["error"]["name"]) == (1, "InsufficientFunds")
    assert list((tmp_path / "teetee").iterdir()) == []
