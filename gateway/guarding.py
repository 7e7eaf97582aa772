"""The way of a request from its head to its endpoint: route, guards, body limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from gateway.errors import Problem, Response
from gateway.exchange import Exchange
from gateway.finishing import FAILED
from gateway.http1.path import PathRefused
from gateway.routing.rule import Match
from gateway.waiting import Waiting

if TYPE_CHECKING:
    from gateway.listener import Listener

log = logging.getLogger("gateway.request")

REFUSALS = {
    404: "No route matches this host and path.",
    405: "This path does not take that method.",
}


def begin(listener: Listener, exchange: Exchange) -> None:
    """Find the route and pass its guards; synchronously, unless a guard has to wait."""
    plane = listener.plane
    listener.client.introduce(exchange)
    table = plane.table
    found = table.router.find(
        exchange.method, exchange.host, exchange.path, exchange.query, exchange
    )
    if not isinstance(found, Match):
        exchange.route = table.unmatched
        exchange.body_limit = 0
        allow = [("Allow", ", ".join(found.allow))] if found.allow else []
        detail = found.reason or REFUSALS[found.status]
        listener.respond(Problem(found.status, detail, allow, close=found.status == 400))
        return
    route = exchange.route = found.target
    exchange.captures = found.captures
    exchange.body_limit = route.body_limit
    listener.deadline = deadline = listener.loop.time() + route.request_timeout
    if deadline < listener.armed:
        plane.wheel.arm(listener)
    if route.chain.steps:
        _guard(listener, exchange, 0)
    else:
        _enter(listener, exchange)


def _guard(listener: Listener, exchange: Exchange, first: int) -> None:
    steps = exchange.route.chain.steps
    for at in range(first, len(steps)):
        try:
            said = steps[at].request(exchange)
        except Exception as error:  # noqa: BLE001  a middleware is foreign code
            _failed(listener, exchange, at, error)
            return
        if said is None:
            continue
        if isinstance(said, Response):
            _answered(listener, exchange, at, said)
        else:
            # A client may leave meanwhile: what the guards passed so far hold is given back.
            exchange.entered = steps[at]
            task = listener.loop.create_task(_wait(listener, exchange, at, said))
            listener.peer = exchange.waiting = Waiting(listener, task)
        return
    _enter(listener, exchange)


async def _wait(
    listener: Listener, exchange: Exchange, at: int, said: Awaitable[Response | None]
) -> None:
    try:
        response = await said
    except asyncio.CancelledError:
        return
    except Exception as error:  # noqa: BLE001  a middleware is foreign code
        response = None
        if listener.exchange is exchange:
            listener.peer = None
            _failed(listener, exchange, at, error)
        return
    if listener.exchange is not exchange:
        return
    listener.peer = None
    if response is not None:
        _answered(listener, exchange, at, response)
    else:
        _guard(listener, exchange, at + 1)


def _answered(listener: Listener, exchange: Exchange, at: int, response: Response) -> None:
    step = exchange.route.chain.steps[at]
    exchange.entered = step
    listener.respond(response, step.response)


def _failed(listener: Listener, exchange: Exchange, at: int, error: Exception) -> None:
    step = exchange.route.chain.steps[at]
    exchange.entered = step
    exchange.failure = "error"
    log.error(
        "a middleware of route %s failed",
        exchange.route.id,
        exc_info=error,
        extra={"request_id": exchange.request_id},
    )
    listener.respond(Problem(500, FAILED), step.response)


def _enter(listener: Listener, exchange: Exchange) -> None:
    route = exchange.route
    exchange.entered = route.chain
    length = exchange.content_length
    if length is not None and length > exchange.body_limit:
        problem = Problem(413, "The request's body is too large.")
        listener.respond(problem, route.chain.response)
        return
    exchange.reached_endpoint = True
    try:
        route.endpoint.begin(listener, exchange)
    except PathRefused as refusal:
        exchange.reached_endpoint = False
        listener.respond(Problem(400, str(refusal)), route.chain.response)
