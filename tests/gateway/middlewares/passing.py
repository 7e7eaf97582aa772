"""Sends exchanges through one middleware, as the chain of a route would."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from backends.catalogue import Backends
from backends.limits import Limits
from backends.limits.memory import MemoryLimits
from gateway.chain import fold
from gateway.errors import Response
from gateway.exchange import Exchange, Identity
from gateway.http1.headers import field_line
from gateway.http1.response import ResponseHead
from gateway.middleware import AnyMiddleware
from gateway.plugin import Context
from gateway.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from gateway.route import Route

Fields = Iterable[tuple[str, str]]


class Clock:
    """Seconds that pass when a test says so. Starts at a time that is awkward in binary."""

    def __init__(self) -> None:
        self.now = 86_400.1

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Destination:
    """What a middleware sees of a route."""

    id: str = "users"
    endpoint_name: str = "users"
    caught: dict[str, str] = field(default_factory=dict)

    def params_of(self, _: object) -> dict[str, str]:
        return self.caught


def context(
    name: str = "guard", *, limits: Limits | None = None, metrics: Metrics | None = None
) -> Context:
    return Context(
        name=name,
        folder=Path(),
        metrics=metrics or Metrics(),
        backends=Backends({}, {"limits": limits or MemoryLimits()}),
        plugin=lambda _: None,
        plugins=dict,
        routes=("users",),
    )


def request(
    method: str = "GET",
    headers: Fields = (),
    *,
    ip: str = "192.0.2.1",
    route: Destination | None = None,
    identity: Identity | None = None,
) -> Exchange:
    exchange = Exchange()
    exchange.method = method
    exchange.host = "api.example.com"
    exchange.request_id = "r-1"
    exchange.client_ip = ip
    exchange.lines = [field_line(name, value) for name, value in headers]
    exchange.route = cast("Route", route or Destination())
    exchange.identity = identity
    exchange.body_limit = 1000
    exchange.transform = exchange.rewriting = None
    return exchange


async def ask(middleware: AnyMiddleware, exchange: Exchange) -> Response | None:
    """The request phase alone."""
    said = middleware.request(exchange)
    return await said if inspect.isawaitable(said) else said


def finish(
    middleware: AnyMiddleware, exchange: Exchange, status: int = 200, failure: str | None = None
) -> None:
    """The end of an exchange that reached the endpoint."""
    exchange.reached_endpoint = True
    exchange.status = status
    exchange.failure = failure
    middleware.done(exchange)


async def send(
    middleware: AnyMiddleware, exchange: Exchange, status: int = 200, headers: Fields = ()
) -> ResponseHead:
    """The whole way: `status` and `headers` are what the endpoint answers if it is asked."""
    chain = fold([("it", middleware)])
    head = ResponseHead()
    head.status, head.lines = status, [field_line(*field) for field in headers]
    response, done = chain.response, chain.done
    exchange.reached_endpoint = True
    for step in chain.steps:
        said: Any = step.request(exchange)
        if inspect.isawaitable(said):
            said = await said
        if said is not None:
            exchange.reached_endpoint = False
            head.status = said.status
            head.lines = [field_line(*field) for field in said.headers]
            response, done = step.response, step.done
            break
    exchange.answer = head
    for phase in response:
        phase(exchange)
    exchange.status = head.status
    for phase in done:
        phase(exchange)
    return head


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Label values -> the value that a scrape would show."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }
