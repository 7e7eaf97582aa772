"""CORS for what programs in browsers ask: no cookie counts there, so any origin may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ALLOWED = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce",
}
PREFLIGHT = {
    **ALLOWED,
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "7200",
}


def from_anywhere(path: str, **handlers: Handler) -> Iterable[web.AbstractRouteDef]:
    """handlers: by method in small letters. The preflight is one of the routes."""
    methods = ", ".join(name.upper() for name in handlers)

    async def preflight(_: web.Request) -> web.StreamResponse:
        headers = {**PREFLIGHT, "Access-Control-Allow-Methods": methods}
        return web.Response(status=204, headers=headers)

    named = [
        web.route(name.upper(), path, _allowing(handler)) for name, handler in handlers.items()
    ]
    return [*named, web.route("OPTIONS", path, preflight)]


def _allowing(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        response.headers.update(ALLOWED)
        return response

    return handle
