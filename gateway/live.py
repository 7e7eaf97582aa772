"""What a running gateway would do with a request that nobody has sent: `GET /explain`."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from gateway.admin import Question
from gateway.cli.explain import Explained, NotARequest, explain, request_of
from gateway.exchange import Exchange, Identity
from gateway.forwarding import UNIX
from gateway.middleware import AnyMiddleware
from gateway.routing.rule import Match
from gateway.table import Table

log = logging.getLogger("gateway.explain")

KINDS = ("jwt", "api_key", "basic")
WITHIN = 1.0
"""Seconds for a middleware to say how it stands."""


async def explained(table: Table, question: Question, worker: int) -> dict[str, Any]:
    """Everything that `explain` tells, and how the guards and the upstream stand in this worker.

    Counts nothing. Raises ValueError when the question is no request.
    """
    request = request_of(question.method, question.url, question.headers)
    exchange = Exchange()
    exchange.method, exchange.host, exchange.path, exchange.query, fields = request
    exchange.lines = fields.lines
    exchange.client_ip = _address(question.ip)
    exchange.identity = _identity(question.identity)
    exchange.scheme, exchange.request_id = "http", ""
    told = _as_mapping(
        explain(table.resolved, question.method, question.url, question.headers, table.router)
    )
    found = table.router.find(*request)
    if not isinstance(found, Match):
        return told
    exchange.route, exchange.captures = found.target, found.captures
    guards = told["middlewares"]
    states = await asyncio.gather(
        *(_state(table.middlewares[guard["name"]], exchange) for guard in guards)
    )
    for guard, state in zip(guards, states, strict=True):
        guard["state"] = state
    told["worker"] = worker
    upstream = table.upstreams.get(found.target.endpoint_name)
    if upstream is not None and told["endpoint"]["kind"] == "upstream":
        told["upstream"] = upstream.explain(exchange)
    return told


async def _state(middleware: AnyMiddleware, exchange: Exchange) -> Mapping[str, Any] | None:
    try:
        async with asyncio.timeout(WITHIN):
            state = middleware.state(exchange)
            return await state if inspect.isawaitable(state) else state
    except Exception as error:
        name = middleware.context.name
        log.warning("%s cannot say how it stands", name, exc_info=error)
        return {"error": type(error).__name__}


def _address(text: str) -> str:
    return text if text in ("", UNIX) else str(ip_address(text))


def _identity(text: str) -> Identity | None:
    kind, colon, subject = text.partition(":")
    if not text:
        return None
    if kind not in KINDS or not colon or not subject:
        raise NotARequest(f"{text!r} is no identity: expected jwt:subject or api_key:name")
    return Identity(subject, kind, {"sub": subject})


def _as_mapping(told: Explained) -> dict[str, Any]:
    mapping: dict[str, Any] = msgspec.to_builtins(told)
    return mapping
