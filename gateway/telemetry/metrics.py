"""The numbers of one gateway: what it counts, and the page that Prometheus reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client import exposition as plain
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from gateway.telemetry.durations import FAMILIES, RouteMetrics, exposition
from gateway.telemetry.watch import Readings, Watch

MetricT = TypeVar("MetricT")
Encoder = Callable[[CollectorRegistry], bytes]
Across = Literal["sum", "min", "max"]
"""What a gauge of several workers is on their common page. Counters and histograms add up."""

UNMATCHED = "-"
"""The route's id for requests that no route took."""

CHUNK = 64 * 1024
"""Characters of the page that are rendered before others get their turn: about 0.3 ms."""


class Metrics:
    """Owns a registry; nothing is global. Used on the event loop's thread alone.

    A metric is made the first time it is asked for and found again after a reload; asking for
    it with another type, labels or buckets is a ValueError. `process` adds the process's own
    numbers; `gateway.telemetry.total` adds up those of several workers. `forgotten` counts how
    often routes may have been taken away.
    """

    def __init__(self, version: str = "unknown", *, process: bool = True) -> None:
        self.registry = CollectorRegistry()
        # The worst of the workers is what a breaker's state is about.
        self.across: dict[str, Across] = {"gateway_circuit_state": "max"}
        self._known: dict[str, tuple[tuple[object, ...], Any]] = {}
        self._watches: list[Watch] = []
        self._routes: dict[str, RouteMetrics] = {}
        self.forgotten = 0
        self.registry.register(_RouteFamilies())
        if process:
            ProcessCollector(registry=self.registry)
        build = self.gauge("gateway_build_info", "The version that runs.", ["version"], "max")
        build.labels(version).set(1)
        self._success = self.gauge(
            "gateway_config_last_reload_success",
            "1 when the last reload was taken, else 0.",
            across="min",
        )
        self._tried = self.gauge(
            "gateway_config_last_reload_timestamp_seconds",
            "When the last reload was tried.",
            across="max",
        )
        self.reloaded(success=True)

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        return self._once(
            name,
            (Counter, *labels),
            lambda: Counter(name, documentation, labels, registry=self.registry),
        )

    def gauge(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        across: Across = "sum",
    ) -> Gauge:
        self.across.setdefault(name, across)
        return self._once(
            name,
            (Gauge, *labels),
            lambda: Gauge(name, documentation, labels, registry=self.registry),
        )

    def histogram(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = Histogram.DEFAULT_BUCKETS,
    ) -> Histogram:
        return self._once(
            name,
            (Histogram, *labels, *buckets),
            lambda: Histogram(name, documentation, labels, buckets=buckets, registry=self.registry),
        )

    def watch(
        self,
        name: str,
        documentation: str,
        read: Callable[[], float],
        across: Across = "sum",
    ) -> None:
        """A gauge that is read at each scrape. The last `read` that was given counts."""
        self.watch_each(name, documentation, (), lambda: {(): read()}, across)

    def watch_each(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        read: Callable[[], Readings],
        across: Across = "sum",
    ) -> None:
        """The same with labels: `read` answers a value for each tuple of label values."""
        self.across.setdefault(name, across)
        watch = self._once(
            name, (Watch, *labels), lambda: self._watched(name, documentation, labels)
        )
        watch.read = read

    def reloaded(self, *, success: bool) -> None:
        """How a reload went. The start counts as the first one."""
        self._success.set(success)
        self._tried.set(time.time())

    def route(self, route_id: str) -> RouteMetrics:
        """Where the route's requests are counted; the same one after a reload."""
        found = self._routes.get(route_id)
        if found is None:
            found = self._routes[route_id] = RouteMetrics(route_id)
        return found

    def keep_routes(self, ids: Collection[str]) -> None:
        """Forget the routes that a reload took away. Requests still on them count nowhere."""
        kept = {UNMATCHED, *ids}
        self._routes = {id_: route for id_, route in self._routes.items() if id_ in kept}
        self.forgotten += 1

    def routes(self) -> tuple[RouteMetrics, ...]:
        return tuple(self._routes.values())

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, as the `Accept` header asks. Large ones take long."""
        encode, content_type = encoder(accept)
        routes = "".join(exposition(self.routes()))
        self.refresh()
        return routes.encode() + encode(self.registry), content_type

    async def stream(self, accept: str) -> tuple[AsyncIterator[bytes], str]:
        """The same a piece at a time, so that a page of any size holds nobody up.

        Routes are rendered on the loop: a thread would take the interpreter lock away from it
        for 5 ms at a time. Only the registry, which is small, is left to one.
        """
        encode, content_type = encoder(accept)
        self.refresh()
        tail = await asyncio.to_thread(encode, self.registry)
        return pieces(self.routes(), tail), content_type

    def refresh(self) -> None:
        """Read what is watched, for a look at the registry."""
        for watch in self._watches:
            watch.refresh()

    def _watched(self, name: str, documentation: str, labels: Sequence[str]) -> Watch:
        watch = Watch(name, documentation, labels)
        self.registry.register(watch)
        self._watches.append(watch)
        return watch

    def _once(self, name: str, shape: tuple[object, ...], make: Callable[[], MetricT]) -> MetricT:
        if name not in self._known:
            self._known[name] = shape, make()
        known, metric = self._known[name]
        if known != shape:
            raise ValueError(f"the metric {name} exists with another type, labels or buckets")
        made: MetricT = metric
        return made


class _RouteFamilies(Collector):
    """Keeps the routes' names from being taken. Their samples are rendered by `exposition`."""

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(each.name, each.documentation) for each in FAMILIES]

    def collect(self) -> Iterable[Metric]:
        return ()


def encoder(accept: str) -> tuple[Encoder, str]:
    """The text format that an `Accept` header asks for, and its content type."""
    if "application/openmetrics-text" in accept:
        return openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST
    return plain.generate_latest, plain.CONTENT_TYPE_PLAIN_0_0_4


async def pieces(routes: Sequence[RouteMetrics], tail: bytes) -> AsyncIterator[bytes]:
    """The page: the routes, a little at a time, then `tail`, the registry's families."""
    for piece in _gathered(exposition(routes)):
        yield piece.encode()
        await asyncio.sleep(0)
    yield tail


def _gathered(texts: Iterable[str]) -> Iterator[str]:
    gathered: list[str] = []
    size = 0
    for text in texts:
        gathered.append(text)
        size += len(text)
        if size >= CHUNK:
            yield "".join(gathered)
            gathered.clear()
            size = 0
    yield "".join(gathered)


__all__ = ["UNMATCHED", "Metrics", "RouteMetrics"]
