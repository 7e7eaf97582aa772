"""Limits how many requests are under way at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Annotated, Any

import msgspec

from gateway.attributes import compile_attribute
from gateway.config.model import Section
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.middleware import Middleware
from gateway.plugin import Context


class ConcurrencyLimitOptions(Section, frozen=True):
    """max: requests under way at a time, from this guard to the last byte of the answer, or the
    end of the tunnel. queue: how many more wait for their turn, in order.
    key: who is counted apart, an attribute of the request (gateway/attributes.py). A request
    that has no such attribute is counted by its client's address. Without a key all are counted
    together.

    Counts belong to the middleware's name: routes that name one middleware share them.
    """

    max: Annotated[int, msgspec.Meta(ge=1)]
    queue: Annotated[int, msgspec.Meta(ge=0)] = 0
    key: str | None = None

    def __post_init__(self) -> None:
        if self.key is not None:
            try:
                compile_attribute(self.key)
            except ValueError as error:
                raise ValueError(f"key: {error}") from None


class ConcurrencyLimit(Middleware[ConcurrencyLimitOptions]):
    """Refuses what finds neither a place nor room to wait, with Retry-After: 503 when all are
    counted together, for then the service is full; 429 with a key, for then this client has
    too many requests under way and others are served.

    Who waits does so on the time of its route's request timeout.
    """

    Options = ConcurrencyLimitOptions

    def __init__(self, options: ConcurrencyLimitOptions, context: Context) -> None:
        super().__init__(options, context)
        self._max = options.max
        self._queue = options.queue
        self._attribute = None if options.key is None else compile_attribute(options.key)
        self.lanes: dict[str, Lane] = {}
        metrics, name = context.metrics, context.name
        self._in_flight = metrics.gauge(
            "gateway_concurrency_in_flight",
            "Requests that hold a place of a concurrency limit.",
            ("middleware",),
        ).labels(name)
        self._waiting = metrics.gauge(
            "gateway_concurrency_waiting",
            "Requests that wait for a place of a concurrency limit.",
            ("middleware",),
        ).labels(name)
        self._refusals = metrics.counter(
            "gateway_concurrency_refused_total",
            "Requests refused because no place was free and the queue was full.",
            ("middleware", "route"),
        )

    def request(self, exchange: Exchange) -> Problem | Awaitable[None] | None:
        key = self._key(exchange)
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = Lane(key)
        if lane.busy < self._max:
            lane.busy += 1
            self._in_flight.inc()
            exchange.notes[self] = lane
            return None
        if len(lane.waiting) < self._queue:
            turn = lane.waiting[exchange] = asyncio.get_running_loop().create_future()
            self._waiting.inc()
            exchange.notes[self] = lane
            return turn
        self._refusals.labels(self.context.name, exchange.route.id).inc()
        retry = [("Retry-After", "1")]
        if self._attribute is None:
            return Problem(503, "Too many requests are under way; try again later.", retry)
        return Problem(429, "Too many of your requests are under way; try again later.", retry)

    def done(self, exchange: Exchange) -> None:
        lane: Lane | None = exchange.notes.pop(self, None)
        if lane is None:
            return
        if lane.waiting.pop(exchange, None) is not None or lane.pass_on():
            self._waiting.dec()
        else:
            lane.busy -= 1
            self._in_flight.dec()
        if not lane.busy and not lane.waiting:
            del self.lanes[lane.key]

    @classmethod
    def summary(cls, options: ConcurrencyLimitOptions) -> Mapping[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(options)
        return told

    def state(self, exchange: Exchange) -> Mapping[str, Any]:
        lane = self.lanes.get(self._key(exchange)) or Lane("")
        return {"in_flight": lane.busy, "waiting": len(lane.waiting)}

    def _key(self, exchange: Exchange) -> str:
        attribute = self._attribute
        if attribute is None:
            return ""
        value = attribute(exchange)
        # Prefixed, so that no value can pose as an address.
        return f"@{exchange.client_ip}" if value is None else f"={value}"


class Lane:
    """The requests that are counted together. It exists while there are any.

    busy: how many hold a place. waiting: the others, and what tells each that it has one.
    """

    __slots__ = ("busy", "key", "waiting")

    def __init__(self, key: str) -> None:
        self.key = key
        self.busy = 0
        self.waiting: dict[Exchange, asyncio.Future[None]] = {}

    def pass_on(self) -> bool:
        """Give a place that was freed to who has waited longest; whether anybody did."""
        for exchange, turn in self.waiting.items():
            if not turn.done():  # cancelled: about to leave
                del self.waiting[exchange]
                turn.set_result(None)
                return True
        return False
