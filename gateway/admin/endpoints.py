"""The admin listener's endpoints."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from gateway.admin.guard import Refusal, problems
from gateway.admin.view import AdminView, Question
from gateway.errors import Problem
from gateway.telemetry.redaction import redacted

INDEX = {
    "GET /metrics": "Prometheus text or OpenMetrics",
    "GET /healthz": "whether the process works",
    "GET /readyz": "whether it takes new requests, and which checks fail",
    "GET /routes": "the compiled route table",
    "GET /explain?method=GET&url=URL&header=Name:value&ip=ADDRESS&identity=jwt:SUBJECT": (
        "which route a request takes, why, and how its guards and targets stand"
    ),
    "POST /reload": "read the file again; 422 with every error when it is not taken",
}


class ReloadRefused(Problem):
    """A problem with one more member: `errors`, all that is wrong with the file."""

    __slots__ = ("errors",)

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(422, "The file was not taken; the old table goes on serving.")
        self.errors = errors

    def render(self, request_id: str) -> bytes:
        problem = msgspec.json.decode(super().render(request_id))
        return msgspec.json.encode({**problem, "errors": redacted(self.errors)})


class Endpoints:
    """Asks the view and writes what it answers."""

    def __init__(self, view: AdminView) -> None:
        self._view = view
        self._reloading = asyncio.Lock()

    async def index(self, request: web.Request) -> web.Response:
        return _json(INDEX)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        pieces, content_type = await self._view.metrics.stream(request.headers.get("Accept", ""))
        response = web.StreamResponse(headers={"Content-Type": content_type})
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            if request.method != "HEAD":
                async for piece in pieces:
                    await response.write(piece)
        return response

    async def healthz(self, request: web.Request) -> web.Response:
        live = self._view.live()
        return _json({"live": live}, 200 if live else 503)

    async def readyz(self, request: web.Request) -> web.Response:
        checks = await self._view.checks()
        draining = self._view.draining()
        failing = [name for name, reason in checks.items() if reason is not None]
        ready = not draining and not failing
        answer = {"ready": ready, "draining": draining, "failing": failing, "checks": checks}
        return _json(answer, 200 if ready else 503)

    async def routes(self, request: web.Request) -> web.Response:
        return await asyncio.to_thread(_json, await self._view.routes())

    async def explain(self, request: web.Request) -> web.Response:
        query = request.query
        if "url" not in query:
            raise Refusal(Problem(400, "The parameter url is missing."))
        headers = [_field(text) for text in query.getall("header", [])]
        asked = {name: query.get(name, "") for name in ("ip", "identity")}
        question = Question(query.get("method", "GET"), query["url"], headers, **asked)
        try:
            found = await self._view.explain(question)
        except ValueError:
            raise Refusal(
                Problem(400, "Method, url, header, ip and identity make no request.")
            ) from None
        return _json(found)

    async def reload(self, request: web.Request) -> web.Response:
        async with self._reloading:
            errors = await self._view.reload()
        if errors:
            raise Refusal(ReloadRefused(errors))
        return _json({"reloaded": True})


def admin_app(view: AdminView) -> web.Application:
    """The application for the admin listener; `start_admin` serves it."""
    endpoints = Endpoints(view)
    app = web.Application(middlewares=[problems])
    app.add_routes(
        [
            web.get("/", endpoints.index),
            web.get("/metrics", endpoints.metrics),
            web.get("/healthz", endpoints.healthz),
            web.get("/readyz", endpoints.readyz),
            web.get("/routes", endpoints.routes),
            web.get("/explain", endpoints.explain),
            web.post("/reload", endpoints.reload),
        ]
    )
    return app


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Refusal(Problem(400, "A header is written Name:value."))
    return name.strip(), value.strip()


def _json(value: Any, status: int = 200) -> web.Response:
    body = msgspec.json.encode(value)
    if b"@" in body:
        body = msgspec.json.encode(redacted(msgspec.json.decode(body)))
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=body, headers=headers)
