"""What a process has counted, in small pieces, for another one to add up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from gateway.telemetry.durations import Cells, RouteMetrics, RouteNumbers
from gateway.telemetry.metrics import Across, Metrics

LOOKED_AT = 500
TOLD = 40
"""Routes that are looked at, and told of, in one piece: about 0.1 ms each."""

Labels = tuple[tuple[str, str], ...]


class FamilyNumbers(msgspec.Struct, frozen=True, array_like=True):
    """A family of the registry, as of now. samples: name, labels, value."""

    name: str
    documentation: str
    type: str
    unit: str
    across: Across
    samples: list[tuple[str, Labels, float]]


class Piece(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Whole numbers of some routes and families; the ids of routes that are no more."""

    routes: list[RouteNumbers] = []
    gone: list[str] = []
    families: list[FamilyNumbers] = []


class Changes:
    """Knows what its reader was told, and tells only what has changed since."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: dict[str, tuple[RouteMetrics, Cells]] = {}
        self._forgotten = metrics.forgotten

    def routes(self) -> Iterator[Piece]:
        """The caller may pause after each piece; an empty one is a good place for that."""
        present = self._metrics.routes()
        if self._forgotten != self._metrics.forgotten:
            self._forgotten = self._metrics.forgotten
            gone = self._told.keys() - {route.id for route in present}
            for route_id in gone:
                del self._told[route_id]
            yield Piece(gone=list(gone))
        routes = iter(present)
        while some := list(islice(routes, LOOKED_AT)):
            yield from self._changed(some)

    def families(self) -> Iterator[Piece]:
        """All families of the registry, one a piece."""
        self._metrics.refresh()
        across = self._metrics.across
        for family in self._metrics.registry.collect():
            samples = [
                (sample.name, tuple(sample.labels.items()), float(sample.value))
                for sample in family.samples
            ]
            rule = across.get(family.name, "sum")
            if samples:
                yield Piece(families=[_family(family, rule, samples)])

    def _changed(self, routes: list[RouteMetrics]) -> Iterator[Piece]:
        found: list[RouteNumbers] = []
        told = self._told
        for route in routes:
            known = told.get(route.id)
            # One that was forgotten and came back counts from nought.
            cells = route.news(known[1] if known is not None and known[0] is route else None)
            if cells is None:
                continue
            told[route.id] = route, cells
            found.append(route.numbers())
            if len(found) >= TOLD:
                yield Piece(routes=found)
                found = []
        yield Piece(routes=found)


def _family(family: Any, across: Across, samples: list[tuple[str, Labels, float]]) -> FamilyNumbers:
    return FamilyNumbers(
        family.name, family.documentation, family.type, family.unit, across, samples
    )
