"""Somebody who serves the signed URLs of a driver that serves nothing by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from backends.blobs import Blobs, Signs
from backends.blobs.key import disposition
from backends.errors import Missing, Refused


def handler(opened: list[Blobs]) -> web.Application:
    """opened: holds the driver, once there is one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        blobs = opened[0]
        assert isinstance(blobs, Signs)
        try:
            grant = await blobs.verify(request.method, request.match_info["key"], request.query)
        except Refused as error:
            raise web.HTTPForbidden(text=str(error)) from None
        if grant.method == "PUT":
            kind = grant.content_type or "application/octet-stream"
            await blobs.put(grant.key, request.content.iter_any(), content_type=kind)
            return web.Response(status=204)
        asked = request.http_range
        try:
            async with blobs.get(grant.key, asked.start or 0, asked.stop) as reading:
                part = asked != slice(None, None, 1)
                response = web.StreamResponse(status=206 if part else 200)
                response.content_type = reading.blob.content_type
                response.content_length = reading.end - reading.start
                if grant.filename:
                    response.headers["Content-Disposition"] = disposition(grant.filename)
                await response.prepare(request)
                async for chunk in reading:
                    await response.write(chunk)
                return response
        except Missing:
            raise web.HTTPNotFound from None

    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/blobs/{key:.*}", answer)
    return app


@asynccontextmanager
async def served(opened: list[Blobs]) -> AsyncIterator[str]:
    """The URL below which they are served."""
    runner = web.AppRunner(handler(opened))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/blobs"
    finally:
        await runner.cleanup()
