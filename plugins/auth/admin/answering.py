"""From a request to an operation's act, and from what it answers or raises to a response."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from backends.errors import BackendError, Conflict
from gateway.errors import GatewayError
from plugins.auth.access.errors import AccessError, Missing
from plugins.auth.accounts.errors import AccountError, BadEmail, Overloaded
from plugins.auth.admin.gate import Gate
from plugins.auth.admin.operation import Call, Operation, Refusal
from plugins.auth.audit.actor import Actor
from plugins.auth.oauth.bearer import TokenError
from plugins.auth.pages.forms import BadForm, body
from plugins.auth.problem import HEADERS, problem

PATH = re.compile(r"[A-Za-z0-9._:@-]{1,100}", re.ASCII)
MEANINGS: tuple[tuple[type[Exception], int, str], ...] = (
    (Conflict, 409, "there is one already"),
    (BackendError, 503, "try again in a moment"),
    (Overloaded, 503, ""),
    (Missing, 404, ""),
    (BadEmail, 400, ""),
    (ValueError, 400, ""),
    (AccountError, 409, ""),
    (AccessError, 409, ""),
)
"""The first that fits; without a detail, the error's own."""
log = logging.getLogger("gateway.auth.admin")


class Answering:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def routes(self, operations: Iterable[Operation]) -> list[web.RouteDef]:
        return [web.route(each.method, each.path, self._handler(each)) for each in operations]

    def _handler(self, operation: Operation) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                actor = await self._gate.actor(request)
                found = await operation.act(await _call(operation, actor, request))
            except TokenError as error:
                return problem(request, error.status, error.description, error.fields())
            except Refusal as refusal:
                return problem(request, refusal.status, refusal.detail)
            except (BadForm, ValueError, GatewayError, BackendError) as error:
                if isinstance(error, BackendError):
                    log.warning("an operation was not carried out: %s", error)
                return problem(request, *_meaning(error))
            if isinstance(found, web.StreamResponse):
                return found
            if found is None:
                return web.Response(status=204, headers=HEADERS)
            return web.Response(
                body=msgspec.json.encode(found),
                status=operation.status,
                content_type="application/json",
                headers=HEADERS,
            )

        return handle


async def _call(operation: Operation, actor: Actor, request: web.Request) -> Call:
    """Raises BadForm and Refusal."""
    path = dict(request.match_info)
    if any(not PATH.fullmatch(value) for value in path.values()):
        raise Refusal(404, "there is nothing of that name")
    if len(set(request.query)) != len(request.query):
        raise Refusal(400, "a parameter is there twice")
    if "\0" in "".join(request.query.values()):  # which PostgreSQL holds in no text
        raise Refusal(400, "a parameter has a NUL")
    query = _typed(dict(request.query), operation.query)
    sent = None
    if operation.body is not None:
        if request.content_type != "application/json":
            raise Refusal(415, "the body is application/json")
        try:
            if b"\\u0000" in (raw := await body(request)):
                raise Refusal(400, "the body has a NUL")
            sent = msgspec.json.decode(raw, type=operation.body)
        except msgspec.ValidationError as error:
            raise Refusal(400, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Refusal(400, "the body is not JSON") from None
    return Call(actor, path, query, sent, request)


def _typed(values: dict[str, str], kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(400, str(error)) from None


def _meaning(error: Exception) -> tuple[int, str]:
    if isinstance(error, BadForm):
        return error.status, str(error).replace("form", "body")
    for kind, status, detail in MEANINGS:
        if isinstance(error, kind):
            return status, detail or str(error)
    raise error
