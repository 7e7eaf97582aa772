"""The `process_*` numbers of the supervisor and its workers together."""

from __future__ import annotations

import resource
from collections.abc import Callable, Collection, Iterable
from operator import add

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.supervisor.process import WorkerProcess

CPU = "process_cpu_seconds"
RULES: dict[str, Callable[[float, float], float]] = {
    "process_start_time_seconds": min,
    "process_max_fds": max,
}


class Processes(Collector):
    """Sums, of CPU time also that of workers which have ended; the oldest start."""

    def __init__(self, workers: Callable[[], Collection[WorkerProcess]]) -> None:
        self._workers = workers

    def describe(self) -> Iterable[Metric]:
        return _of("self")

    def collect(self) -> Iterable[Metric]:
        found = {family.name: family for family in _of("self")}
        for worker in tuple(self._workers()):
            if not worker.alive:
                continue
            for family in _of(worker.pid):
                known = found.setdefault(family.name, family)
                if known is not family:
                    _merge(known, family)
        if CPU in found:
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
            _set(found[CPU], found[CPU].samples[0].value + ended.ru_utime + ended.ru_stime)
        return found.values()


def _of(pid: int | str) -> list[Metric]:
    collector = ProcessCollector(pid=lambda: pid, registry=CollectorRegistry())
    return [family for family in collector.collect() if family.samples]


def _merge(known: Metric, more: Metric) -> None:
    rule: Callable[[float, float], float] = RULES.get(known.name, add)
    _set(known, rule(known.samples[0].value, more.samples[0].value))


def _set(family: Metric, value: float) -> None:
    family.samples[0] = family.samples[0]._replace(value=value)
