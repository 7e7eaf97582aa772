"""`GET /openapi.json`, for everybody: what is there is no secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import orjson
from aiohttp import web

from plugins.auth.admin.document import document
from plugins.auth.admin.operation import Operation
from plugins.auth.oauth.endpoints import PUBLIC


def described(issuer: str, operations: Iterable[Operation]) -> web.RouteDef:
    @cache
    def body() -> bytes:
        return orjson.dumps(document(issuer, _version(), operations))

    async def answer(request: web.Request) -> web.Response:
        made = await asyncio.to_thread(body)
        return web.Response(body=made, content_type="application/json", headers=PUBLIC)

    return web.get("/openapi.json", answer)


def _version() -> str:
    try:
        return version("ait-gateway")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
