# SPDX-License-Identifier: Apache-2.0
"""The metrics, as Prometheus reads them.

given the table of metrics
    no label should be able to hold anything of a user: few names, few values, or whole numbers
given metrics that count
    when they are exposed
        Prometheus should be able to read them, under the names of the table
    when a label gets a value that is not listed
        it should count as `other`, or not at all where it must be a number
    when a metric or a label does not exist
        it should raise
    when one source fails
        the others should be exposed all the same
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oracle.operations.metric_table import METRICS, OTHER, Kind
from oracle.operations.metrics import Metrics
from oracle.process.logs import open_log

# What a label may be about. None of these is chosen by a user, or differs between two of them.
LABELS = {
    "state": "a step of a request's life",
    "outcome": "how a request can end",
    "reason": "a reason that the program lists",
    "peer": "a shard's id",
    "node": "an RPC node's place in the setting",
    "direction": "in or out",
    "kind": "input or output",
    "purpose": "a purpose of the listener",
    "function": "a contract's function",
    "step": "a step of a transaction",
    "task": "a background task",
}
NUMBERS = {"peer", "node"}
MAX_VALUES = 20


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(open_log())


def samples(metrics: Metrics) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(metrics.expose().decode()):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    found = [each for each in samples(metrics) if each[:2] == (name, labels)]
    return found[0][2] if found else None


def test_table__every_label__is_one_of_few_that_say_nothing_of_a_user() -> None:
    for metric in METRICS.values():
        assert metric.labels.keys() <= LABELS.keys(), metric.name


def test_table__every_label__has_few_values_or_numbers_alone() -> None:
    for metric in METRICS.values():
        for name, label in metric.labels.items():
            assert label.numbers == (name in NUMBERS), metric.name
            assert len(label.values) <= MAX_VALUES, metric.name
            for listed in label.values:
                assert re.fullmatch(r"[a-zA-Z_]{1,30}", listed), metric.name


def test_table__every_metric__has_a_name_and_a_meaning_as_prometheus_wants() -> None:
    for key, metric in METRICS.items():
        assert metric.name == f"teetee_{key}"
        assert re.fullmatch(r"[a-z0-9_]+", metric.name)
        assert not metric.name.endswith("_total")
        assert metric.meaning.endswith(".")
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)


def test_expose__after_counting__is_what_was_counted(metrics: Metrics) -> None:
    metrics.increase("requests_ended", outcome="settled")
    metrics.increase("requests_ended", outcome="settled")
    metrics.increase("requests_in_work", state="running")
    metrics.increase("requests_in_work", -1, state="running")
    metrics.set("node_lag_blocks", 7, node=2)
    metrics.observe("time_to_first_token_seconds", 0.3)
    assert value(metrics, "teetee_requests_ended_total", outcome="settled") == 2
    assert value(metrics, "teetee_requests_in_work", state="running") == 0
    assert value(metrics, "teetee_node_lag_blocks", node="2") == 7
    assert value(metrics, "teetee_time_to_first_token_seconds_bucket", le="0.25") == 0
    assert value(metrics, "teetee_time_to_first_token_seconds_bucket", le="0.5") == 1


def test_expose__before_anything_happened__has_zeros_not_gaps(metrics: Metrics) -> None:
    assert value(metrics, "teetee_refusals_total", reason="overloaded") == 0
    assert value(metrics, "teetee_not_ready", reason="no_ether") == 0
    assert value(metrics, "teetee_tokens_total", kind="output") == 0


def test_expose__all_of_it__has_no_name_beside_the_table_and_the_process(
    metrics: Metrics,
) -> None:
    names = {
        re.sub(r"_(total|bucket|sum|count)$", "", name)
        for name, _, _ in samples(metrics)
        if not name.startswith("process_")
    }
    assert names <= {metric.name for metric in METRICS.values()}


@pytest.mark.parametrize("unknown", ["w1 w2 w3", "0x" + "ab" * 32, "", "Settled", "-1"])
def test_increase__value_that_is_not_listed__counts_as_other(
    metrics: Metrics, unknown: str
) -> None:
    metrics.increase("requests_ended", outcome=unknown)
    assert value(metrics, "teetee_requests_ended_total", outcome=OTHER) == 1
    assert not unknown or unknown not in metrics.expose().decode()


@pytest.mark.parametrize("unknown", ["a secret", "0x12", "-1", "", "²", "1.5"])
def test_set__label_that_must_be_a_number_is_none__is_left_out(
    metrics: Metrics, unknown: str
) -> None:
    metrics.set("node_up", 1, node=unknown)
    assert "teetee_node_up{" not in metrics.expose().decode()


def test_increase__metric_or_label_does_not_exist__raises(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.increase("prompts")
    with pytest.raises(ValueError, match="requests_ended has the labels"):
        metrics.increase("requests_ended", requester="0x" + "21" * 20)
    with pytest.raises(ValueError, match="steps has the labels"):
        metrics.increase("steps", state="running")


def test_set_total__falls__counts_on_as_after_a_restart(metrics: Metrics) -> None:
    for total in (5, 9, 2):
        metrics.set_total("steps", total)
    assert value(metrics, "teetee_steps_total") == 11


def test_replace__peer_is_gone__disappears(metrics: Metrics) -> None:
    metrics.replace("link_waiting_bytes", [({"peer": 1}, 10), ({"peer": 2}, 20)])
    metrics.replace("link_waiting_bytes", [({"peer": 2}, 30)])
    assert value(metrics, "teetee_link_waiting_bytes", peer="1") is None
    assert value(metrics, "teetee_link_waiting_bytes", peer="2") == 30


def test_expose__a_source_fails__the_others_are_read(metrics: Metrics) -> None:
    def fail() -> None:
        raise RuntimeError("with a secret")

    metrics.set_source("first", fail)
    metrics.set_source("second", lambda: metrics.set("head_block", 12))
    assert value(metrics, "teetee_head_block") == 12
    metrics.remove_source("first")
    metrics.remove_source("first")


def test_prometheus__runtime_and_teetee__know_nothing_of_it() -> None:
    root = Path(__file__).parents[3]
    users = {
        str(path.relative_to(root))
        for package in ("oracle", "shard_runtime", "teetee", "shard_tools")
        for path in (root / package).rglob("*.py")
        if "prometheus_client" in path.read_text(encoding="utf-8")
    }
    assert users == {"oracle/operations/metrics.py"}
