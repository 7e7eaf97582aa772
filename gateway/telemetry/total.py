"""One page for several processes: the exact sum of what each of them counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from operator import add

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.telemetry.durations import RouteMetrics
from gateway.telemetry.metrics import encoder, pieces
from gateway.telemetry.snapshot import FamilyNumbers, Labels, Piece

CUMULATIVE = frozenset(("counter", "histogram", "summary"))
CREATED = "_created"
RULES: dict[str, Callable[[float, float], float]] = {"sum": add, "min": min, "max": max}

SLICE = 200
"""Routes that are added up before others get their turn."""


class Numbers:
    """What one process is known to have counted."""

    def __init__(self) -> None:
        self.routes: dict[str, RouteMetrics] = {}
        self.families: dict[str, FamilyNumbers] = {}

    def take(self, piece: Piece) -> None:
        """What a piece holds replaces what was known of it."""
        for numbers in piece.routes:
            route = self.routes[numbers[0]] = RouteMetrics(numbers[0])
            route.add(numbers)
        for route_id in piece.gone:
            self.routes.pop(route_id, None)
        for family in piece.families:
            self.families[family.name] = family


class Total:
    """The numbers of processes that live, and the counts of those that have ended.

    Counters and histograms add up and never go back: a process that ends leaves its last word
    behind. A gauge is that of the living ones, by its own rule. A route that a reload took
    away is forgotten for the dead as well.
    """

    def __init__(self) -> None:
        self._living: dict[Hashable, Numbers] = {}
        self._ended = Numbers()

    def take(self, source: Hashable, piece: Piece) -> None:
        self._living.setdefault(source, Numbers()).take(piece)
        for route_id in piece.gone:
            self._ended.routes.pop(route_id, None)

    def bury(self, source: Hashable) -> None:
        """The process has ended; nothing more comes from it."""
        numbers = self._living.pop(source, None)
        if numbers is None:
            return
        for route in numbers.routes.values():
            _route(self._ended.routes, route.id).add(route.numbers())
        for name, family in numbers.families.items():
            if family.type in CUMULATIVE:
                known = self._ended.families.get(name)
                families = [family] if known is None else [known, family]
                self._ended.families[name] = summed(families)

    async def stream(self, accept: str) -> tuple[AsyncIterator[bytes], str]:
        """The page a piece at a time, and its content type."""
        sources = [self._ended, *self._living.values()]
        routes: dict[str, RouteMetrics] = {}
        for source in sources:
            for at, route in enumerate(tuple(source.routes.values())):
                _route(routes, route.id).add(route.numbers())
                if at % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
        by_name: dict[str, list[FamilyNumbers]] = {}
        for source in sources:
            for family in source.families.values():
                by_name.setdefault(family.name, []).append(family)
        registry = CollectorRegistry()
        registry.register(_Families([summed(each) for each in by_name.values()]))
        encode, content_type = encoder(accept)
        tail = await asyncio.to_thread(encode, registry)
        return pieces(tuple(routes.values()), tail), content_type


def summed(families: Iterable[FamilyNumbers]) -> FamilyNumbers:
    """One family of several. Those of another type than the first's, in the middle of an
    upgrade say, are left out."""
    first, *others = families
    cumulative = first.type in CUMULATIVE
    rule = add if cumulative else RULES[first.across]
    samples: dict[tuple[str, Labels], float] = {(n, ls): v for n, ls, v in first.samples}
    for family in others:
        if family.type != first.type:
            continue
        for name, labels, value in family.samples:
            key = name, labels
            known = samples.get(key)
            if known is None:
                samples[key] = value
            else:
                samples[key] = (min if name.endswith(CREATED) else rule)(known, value)
    return FamilyNumbers(
        first.name,
        first.documentation,
        first.type,
        first.unit,
        first.across,
        [(name, labels, value) for (name, labels), value in samples.items()],
    )


class _Families(Collector):
    def __init__(self, families: Iterable[FamilyNumbers]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        for each in self._families:
            metric = Metric(each.name, each.documentation, each.type, each.unit)
            for name, labels, value in each.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric


def _route(routes: dict[str, RouteMetrics], route_id: str) -> RouteMetrics:
    found = routes.get(route_id)
    if found is None:
        found = routes[route_id] = RouteMetrics(route_id)
    return found
