# SPDX-License-Identifier: Apache-2.0
"""The process's metrics, over prometheus_client. `metric_table` lists them all: others raise.
A label's value that is not listed there is counted as `other`, or left out if it must be a number.
"""

import threading
from collections.abc import Callable, Iterable, Mapping

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from structlog.typing import FilteringBoundLogger

from oracle.operations.metric_table import METRICS, OTHER, Kind, Metric

_Instrument = Counter | Gauge | Histogram
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Thread-safe."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        # Without it, each counter would have a second series with the time of its start.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, processor time, open files
        self._instruments = {name: _instrument(each) for name, each in METRICS.items()}
        for instrument in self._instruments.values():
            self._registry.register(instrument)
        self._begin_at_zero()
        self._sources: dict[str, Callable[[], None]] = {}
        self._totals: dict[str, float] = {}
        self._lock = threading.Lock()
        self._exposing = threading.Lock()
        """Two scrapes at once would find each other's gauges half set."""

    def increase(self, name: str, amount: float = 1, **labels: object) -> None:
        """Add to a counter or a gauge; a gauge also takes negative amounts."""
        found = self._find(name, labels)
        if isinstance(found, Counter | Gauge):
            found.inc(amount)

    def set(self, name: str, value: float, **labels: object) -> None:
        """Set a gauge."""
        found = self._find(name, labels)
        if isinstance(found, Gauge):
            found.set(value)

    def observe(self, name: str, value: float) -> None:
        """Add a value to a histogram."""
        found = self._find(name, {})
        if isinstance(found, Histogram):
            found.observe(value)

    def set_total(self, name: str, total: float) -> None:
        """Advance a counter to a total that is counted elsewhere; one that falls began again."""
        with self._lock:
            before = self._totals.get(name, 0.0)
            self._totals[name] = total
        self.increase(name, total - before if total >= before else total)

    def replace(self, name: str, values: Iterable[tuple[Mapping[str, object], float]]) -> None:
        """Set a gauge for these labels alone: what is not named any more disappears."""
        self._instruments[name].clear()
        for labels, value in values:
            self.set(name, value, **labels)

    def set_source(self, key: str, read: Callable[[], None]) -> None:
        """Call `read` before each exposition, to set gauges that nothing else sets. It replaces the
        source with the same key.
        """
        self._sources[key] = read

    def remove_source(self, key: str) -> None:
        """If there is one."""
        self._sources.pop(key, None)

    def expose(self) -> bytes:
        """All metrics, in Prometheus's text format."""
        with self._exposing:
            for read in list(self._sources.values()):
                try:
                    read()
                except Exception as error:  # noqa: BLE001 - must not hide the others
                    self._log.warning("metric not read", error=error)
            return prometheus_client.generate_latest(self._registry)

    def _begin_at_zero(self) -> None:
        """So that the first of its kind is an increase, and an alarm can tell zero from absent."""
        for name, metric in METRICS.items():
            if len(metric.labels) == 1:
                ((label, allowed),) = metric.labels.items()
                for value in allowed.values:
                    self._instruments[name].labels(**{label: value})

    def _find(self, name: str, labels: Mapping[str, object]) -> _Instrument | None:
        """None if a label that must be a number is none."""
        allowed = METRICS[name].labels
        if labels.keys() != allowed.keys():
            raise ValueError(f"{name} has the labels {sorted(allowed)}")
        if not labels:
            return self._instruments[name]
        values = {key: str(value) for key, value in labels.items()}
        for key, value in values.items():
            if not allowed[key].admits(value):
                if OTHER not in allowed[key].values:
                    return None
                values[key] = OTHER
        found: _Instrument = self._instruments[name].labels(**values)
        return found


def _instrument(metric: Metric) -> _Instrument:
    labels = tuple(metric.labels)
    match metric.kind:
        case Kind.COUNTER:
            return Counter(metric.name, metric.meaning, labels, registry=None)
        case Kind.GAUGE:
            return Gauge(metric.name, metric.meaning, labels, registry=None)
        case Kind.HISTOGRAM:
            return Histogram(
                metric.name, metric.meaning, labels, registry=None, buckets=metric.buckets
            )
