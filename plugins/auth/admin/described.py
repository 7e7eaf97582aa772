"""`GET /openapi.json`, for everybody: what is there is no secret."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

import orjson
from aiohttp import web

from plugins.auth.admin.document import document
from plugins.auth.admin.operation import Operation
from plugins.auth.oauth.endpoints import PUBLIC


def described(issuer: str, operations: Iterable[Operation]) -> web.RouteDef:
    try:
        number = version("ait-gateway")
    except PackageNotFoundError:  # run from a checkout that is not installed
        number = "0"
    body = orjson.dumps(document(issuer, number, operations))

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json", headers=PUBLIC)

    return web.get("/openapi.json", answer)
