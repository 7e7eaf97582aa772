"""A gauge that is read when somebody looks, not written when something happens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Readings = Mapping[tuple[str, ...], float]
"""A value for each tuple of label values."""

log = logging.getLogger(__name__)


class Watch(Collector):
    """`refresh` asks, on the loop's thread; `collect` tells, on any."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self.name = name
        self.documentation = documentation
        self.labels = tuple(labels)
        self.read: Callable[[], Readings] = dict
        self._readings: Readings = {}

    def refresh(self) -> None:
        """A `read` that fails leaves its gauge off this page, and the page whole."""
        try:
            self._readings = {
                self._checked(values): float(value) for values, value in self.read().items()
            }
        except Exception:
            self._readings = {}
            log.exception("the gauge %s cannot be read", self.name)

    def _checked(self, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) != len(self.labels):
            raise ValueError(f"{len(values)} values for {len(self.labels)} labels")
        return tuple(printable(value) for value in values)

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(self.name, self.documentation, labels=self.labels)]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for values, value in self._readings.items():
            family.add_metric(values, value)
        return [family]


def printable(label: str) -> str:
    """The label as UTF-8 can carry it: a lone surrogate would spoil the whole page."""
    return label.encode("utf-8", "replace").decode("utf-8")
