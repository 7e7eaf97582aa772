"""DEMO ONLY: the service behind the gateway. It shows what reaches it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from functools import partial
from pathlib import Path

from aiohttp import WSMsgType, web

PAGE = Path(__file__).with_name("upstream.html")
LONGEST = 120.0
LARGEST = 2**30
BLOCK = bytes(64 * 1024)
STOPPING = web.AppKey("STOPPING", asyncio.Event)


async def echo(request: web.Request) -> web.Response:
    """The request, as JSON: method, target, headers, and how many bytes of body came."""
    received = 0
    async for chunk in request.content.iter_chunked(len(BLOCK)):
        received += len(chunk)
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": [list(field) for field in request.headers.items()],
            "body_bytes": received,
        },
        dumps=partial(json.dumps, indent=2),
    )


async def page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE.read_text(), content_type="text/html")


async def ticks(request: web.Request) -> web.StreamResponse:
    """Server-sent events, one a second, until the client or this server goes."""
    stopping = request.app[STOPPING]
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    with suppress(ConnectionError):  # who no longer listens has gone, which is no failure
        for tick in range(int(LONGEST)):
            await response.write(f"id: {tick}\ndata: tick {tick}\n\n".encode())
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1)
                break
    return response


async def web_socket(request: web.Request) -> web.WebSocketResponse:
    """Says back whatever it is told."""
    socket = web.WebSocketResponse(heartbeat=30)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def slow(request: web.Request) -> web.Response:
    """Answers after `?seconds=`."""
    seconds = _number(request, "seconds", 1, LONGEST)
    await asyncio.sleep(seconds)
    return web.json_response({"waited_seconds": seconds})


async def many_bytes(request: web.Request) -> web.StreamResponse:
    """Answers with `?size=` zero bytes."""
    left = int(_number(request, "size", 1024, LARGEST))
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = left
    await response.prepare(request)
    while left:
        block = BLOCK[:left]
        await response.write(block)
        left -= len(block)
    return response


def _number(request: web.Request, name: str, default: float, largest: float) -> float:
    try:
        number = float(request.query.get(name, default))
    except ValueError:
        number = -1
    if not 0 <= number <= largest:
        raise web.HTTPBadRequest(text=f"{name} is a number from 0 to {largest:g}\n")
    return number


async def _stop(app: web.Application) -> None:
    app[STOPPING].set()


def application() -> web.Application:
    app = web.Application()
    app[STOPPING] = asyncio.Event()
    app.on_shutdown.append(_stop)
    app.add_routes(
        [
            web.get("/", page),
            web.get("/sse", ticks),
            web.get("/ws", web_socket),
            web.get("/slow", slow),
            web.get("/bytes", many_bytes),
            web.route("*", "/{anything:.*}", echo),
        ]
    )
    return app
