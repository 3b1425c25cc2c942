# SPDX-License-Identifier: Apache-2.0
"""A running process as its operator sees it: real contracts, real TLS, `/health` and `/metrics`.

given an entry from its start to its end
    it should be live and not ready until it is enrolled, then ready, and draining from SIGTERM on
    its metrics should tell of the request that it settled, and hold no word of it
given a stage of another process
    the entry's links to and from it should be named by its shard
given a signer without ether
    the entry should not be ready, and say why
"""

import json
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from teetee.chain.types.requests import RequestStatus
from tests.oracle.enclave_world import EnclaveWorld, LocalEnclave
from tests.oracle.operations.test_metrics import LABELS
from tests.oracle.oracle_process import OracleProcess

SECONDS = 40.0
QUESTION = "w41 w42 w43"


class Operator:
    """Asks one process."""

    def __init__(self, process: OracleProcess) -> None:
        self._port = int(process.ready()["operations"])

    def get(self, path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def health(self) -> dict[str, Any]:
        status, body = self.get("/health")
        report: dict[str, Any] = json.loads(body)
        assert status == (200 if report["ready"] else 503)
        return report

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        _, text = self.get("/metrics")
        return {
            (sample.name.removeprefix("teetee_"), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics().get((name, frozenset(labels.items())))

    def await_value(self, expected: float, name: str, **labels: str) -> None:
        deadline = time.monotonic() + SECONDS
        while (found := self.value(name, **labels)) != expected:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)  # another process: it sees the chain later than the test

    def await_health(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while not condition(report := self.health()):
            assert time.monotonic() < deadline, report
            time.sleep(0.05)  # another process
        return report


def test_process__from_start_to_sigterm__tells_its_operator(
    world: EnclaveWorld, tmp_path: Path
) -> None:
    entry = LocalEnclave(world, f"entry-{tmp_path.name}")
    with entry.running({"TEETEE_STOP_GRACE_SECONDS": "60"}, slow=0.2) as process:
        operator = Operator(process)
        report = operator.health()
        assert (report["live"], report["ready"], report["notReady"][0]) == (
            True,
            False,
            "not_enrolled",
        )
        shard_id = entry.enrol()
        world.chain.fund(world.registry.shard(shard_id).keyset.signer)
        assert operator.await_health(lambda found: found["ready"])["shardId"] == shard_id
        asked = world.ask(shard_id, QUESTION)
        assert world.await_end(asked).status is RequestStatus.SETTLED
        _check_metrics(operator)
        running = world.ask(shard_id, QUESTION)
        world.await_stream(entry.port, shard_id, running)
        process._process.terminate()
        report = operator.await_health(lambda found: found["draining"])
        assert (report["live"], report["notReady"]) == (True, ["draining"])
        assert operator.get("/health")[0] == 503
        assert process.exit_code(SECONDS) == 0
    assert world.escrow.request_of(running.request_id).status is RequestStatus.SETTLED


def _check_metrics(operator: Operator) -> None:
    operator.await_value(1, "requests_ended_total", outcome="settled")
    assert operator.value("transactions_total", function="settle", step="confirmed") == 1
    assert (operator.value("gas_used_total", function="settle") or 0) > 100_000
    assert operator.value("tokens_total", kind="output") == 12
    assert operator.value("time_to_first_token_seconds_count") == 1
    assert operator.value("requests_in_work", state="running") == 0
    assert operator.value("node_up", node="1") == 1
    assert (operator.value("signer_ether") or 0) > 0
    assert (operator.value("quote_seconds_left") or 0) > 0
    assert (operator.value("rows_total") or 0) > 12
    _, text = operator.get("/metrics")
    for word in (*QUESTION.split(), "127.0.0.1", "http"):
        assert word not in text
    used = {name for _, labels in operator.metrics() for name, _ in labels}
    assert used - {"le", "version", "implementation"} <= LABELS.keys()


def test_process__a_stage_on_its_path__is_named_by_its_shard(
    world: EnclaveWorld, tmp_path: Path
) -> None:
    name = tmp_path.name
    first = LocalEnclave(world, f"first-{name}", TEETEE_LAYERS="0-2")
    second = LocalEnclave(world, f"second-{name}", TEETEE_LAYERS="2-4", TEETEE_IS_ENTRY="false")
    with first.running() as entry, second.running() as stage:
        operators = Operator(entry), Operator(stage)
        entry_id, stage_id = first.enrol(), second.enrol()
        world.chain.fund(world.registry.shard(entry_id).keyset.signer)
        for operator in operators:
            operator.await_health(lambda found: found["ready"])
        asked = world.ask(entry_id)
        assert world.await_end(asked).status is RequestStatus.SETTLED
        for operator, peer in zip(operators, (stage_id, entry_id), strict=True):
            for direction in ("in", "out"):
                assert (
                    operator.value("link_connected", peer=str(int(peer)), direction=direction) == 1
                )
        assert (operators[0].value("active_shards") or 0) >= 2
        assert (operators[1].value("steps_total") or 0) > 0


def test_process__signer_has_no_ether__is_not_ready(world: EnclaveWorld, tmp_path: Path) -> None:
    entry = LocalEnclave(world, f"poor-{tmp_path.name}")
    with entry.running() as process:
        process.ready()
        shard_id = entry.enrol()
        signer = world.registry.shard(shard_id).keyset.signer
        world.chain.fund(signer, 0)
        assert process.terminate() == 0
    with entry.running() as process:
        operator = Operator(process)
        report = operator.await_health(lambda found: found["shardId"] == shard_id)
        operator.await_health(lambda found: found["notReady"] == ["no_ether"])
        assert report["live"]
        assert operator.value("signer_settlements_left") == 0
