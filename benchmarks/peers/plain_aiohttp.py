"""The handler of ../gateway/endpoint.py on plain aiohttp: what a plugin is compared with."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web


async def item(request: web.Request) -> web.Response:
    return web.json_response({"id": request.match_info["id"], "name": "a small thing"})


async def main() -> None:
    app = web.Application()
    app.router.add_get("/items/{id}", item)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=300)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 18080, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
