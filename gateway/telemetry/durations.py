"""Histograms of seconds that cost a request a few hundred nanoseconds and a scrape little more.

`prometheus_client.Histogram.observe` takes locks and walks its buckets, three times a request,
and a page of 10,000 routes rendered sample by sample holds the interpreter for seconds. Here an
observation is a short walk and two additions, and a whole series is rendered by one `%`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import add
from typing import Final

from gateway.telemetry.watch import printable

# One histogram: a count for each bound, one for all above, then the sum of what was observed.
Cells = list[float]

# All of a route that one process counted: its id, each method and status, upstream, own.
RouteNumbers = tuple[str, list[tuple[str, int, Cells]], Cells, Cells]

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
OTHER = "OTHER"

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OWN_BOUNDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)

# As they are walked through: compiled, a tuple of floats would be copied at each use.
_BOUNDS: Final = list(BOUNDS)
_OWN_BOUNDS: Final = list(OWN_BOUNDS)


class Family:
    """A histogram's name and bounds, and how its series look in both text formats."""

    def __init__(self, name: str, documentation: str, bounds: tuple[float, ...]) -> None:
        self.name = name
        self.documentation = documentation
        self.head = f"# HELP {name} {documentation}\n# TYPE {name} histogram\n"
        edges = (*map(str, bounds), "+Inf")
        self._empty: Cells = [*(0 for _ in edges), 0.0]
        self._template = "".join(f'{name}_bucket{{\0,le="{edge}"}} %d\n' for edge in edges)
        self._template += f"{name}_sum{{\0}} %r\n{name}_count{{\0}} %d\n"

    def cells(self) -> Cells:
        return self._empty.copy()

    def text(self, labels: str, cells: Cells) -> str:
        """The lines of one series; nothing for one that never saw a request."""
        counts = tuple(accumulate(cells[:-1]))
        if not counts[-1]:
            return ""
        lines = self._template.replace("\0", labels.replace("%", "%%"))
        return lines % (*counts, cells[-1], counts[-1])


REQUESTS = Family(
    "http_request_duration_seconds", "From a request's first byte to its answer's last.", BOUNDS
)
UPSTREAM = Family(
    "gateway_upstream_duration_seconds", "Time spent waiting for the target's answer.", BOUNDS
)
OWN = Family(
    "gateway_own_duration_seconds", "What the gateway itself added to a request.", OWN_BOUNDS
)
FAMILIES = (REQUESTS, UPSTREAM, OWN)


class RouteMetrics:
    """The three histograms of one route. Written by the event loop's thread alone."""

    __slots__ = ("_label", "_own", "_requests", "_upstream", "id")

    def __init__(self, route_id: str) -> None:
        self.id = route_id
        self._label = f'route="{_escaped(route_id)}"'
        self._requests: dict[tuple[str, int], Cells] = {}
        self._upstream = UPSTREAM.cells()
        self._own = OWN.cells()

    def observe(self, method: str, status: int, total: float, upstream: float | None) -> None:
        """Seconds of one finished request; `upstream` is None when no target was asked."""
        cells = self._requests.get((method, status)) or self._series(method, status)
        _count(cells, _BOUNDS, total)
        if upstream is not None:
            _count(self._upstream, _BOUNDS, upstream)
            total = total - upstream if total > upstream else 0.0
        _count(self._own, _OWN_BOUNDS, total)

    def _series(self, method: str, status: int) -> Cells:
        key = (method if method in METHODS else OTHER, status)
        cells = self._requests.get(key)
        if cells is None:
            cells = self._requests[key] = REQUESTS.cells()
        return cells

    def news(self, known: Cells | None) -> Cells | None:
        """What to remember as `known` if a request ended since, else None.

        Every request adds to one of the own durations' counts.
        """
        return None if self._own == known else self._own.copy()

    def numbers(self) -> RouteNumbers:
        requests = [(method, status, cells) for (method, status), cells in self._requests.items()]
        return self.id, requests, self._upstream, self._own

    def add(self, numbers: RouteNumbers) -> None:
        """Add what another process counted for this route."""
        _, requests, upstream, own = numbers
        for method, status, cells in requests:
            _add(self._series(method, status), cells)
        _add(self._upstream, upstream)
        _add(self._own, own)

    def requests_text(self) -> str:
        return "".join(
            REQUESTS.text(f'method="{method}",{self._label},status_code="{status}"', cells)
            for (method, status), cells in self._requests.items()
        )

    def upstream_text(self) -> str:
        return UPSTREAM.text(self._label, self._upstream)

    def own_text(self) -> str:
        return OWN.text(self._label, self._own)


def exposition(routes: Sequence[RouteMetrics]) -> Iterator[str]:
    """The three families a route at a time, so that the caller can pause in between."""
    yield REQUESTS.head
    for route in routes:
        yield route.requests_text()
    yield UPSTREAM.head
    for route in routes:
        yield route.upstream_text()
    yield OWN.head
    for route in routes:
        yield route.own_text()


def _count(cells: Cells, bounds: list[float], seconds: float) -> None:
    """Most requests are short: from the lowest bound upwards."""
    at = 0
    for bound in bounds:
        if seconds <= bound:
            break
        at += 1
    cells[at] += 1
    cells[-1] += seconds


def _add(cells: Cells, more: Cells) -> None:
    cells[:] = map(add, cells, more)


def _escaped(label: str) -> str:
    return printable(label).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
