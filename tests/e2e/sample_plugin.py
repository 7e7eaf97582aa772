"""A plugin as somebody outside the repository would write it, and a middleware beside it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from aiohttp import WSMsgType, web

from gateway.exchange import Exchange
from gateway.middleware import Middleware
from gateway.plugin import Plugin


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    greeting: str = "hello"


class Sample(Plugin[Options]):
    Options = Options
    served = 0
    started = False

    async def start(self) -> None:
        self.started = True

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/hello/{name}", self.hello),
            web.post("/echo", self.echo),
            web.post("/sum", self.checksum),
            web.get("/stream", self.stream),
            web.get("/ws", self.websocket),
            web.get("/file", self.file),
            web.get("/who", self.who),
            web.get("/cookies", self.cookies),
            web.get("/forbidden", self.forbidden),
            web.get("/boom", self.boom),
            web.get("/boom_late", self.boom_late),
            web.get("/served", self.count),
        ]

    async def hello(self, request: web.Request) -> web.Response:
        type(self).served += 1
        assert self.started
        return web.Response(
            text=f"{self.options.greeting} {request.match_info['name']} {request.path_qs}"
        )

    async def count(self, request: web.Request) -> web.Response:
        return web.json_response(self.served)

    async def echo(self, request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), content_type="application/x-echo")

    async def checksum(self, request: web.Request) -> web.Response:
        size = crc = 0
        async for part in request.content.iter_any():
            size, crc = size + len(part), zlib.crc32(part, crc)
        return web.json_response([size, crc])

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            await response.write(b"part %d\n" % number)
        await response.write_eof()
        return response

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
        return socket

    async def file(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(Path(__file__))

    async def who(self, request: web.Request) -> web.Response:
        exchange: Exchange = request["exchange"]
        who = exchange.identity
        return web.json_response(
            {
                "request_id": exchange.request_id,
                "route": exchange.route.id,
                "client_ip": exchange.client_ip,
                "subject": who and who.subject,
                "kind": who and who.kind,
            }
        )

    async def cookies(self, request: web.Request) -> web.Response:
        response = web.Response(text="ok")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    async def forbidden(self, request: web.Request) -> web.Response:
        raise web.HTTPForbidden(text="not you", headers={"X-Why": "because"})

    async def boom(self, request: web.Request) -> web.Response:
        raise RuntimeError("secret inside")

    async def boom_late(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise RuntimeError("secret inside")


class Stamp(Middleware[msgspec.Struct]):
    def response(self, exchange: Exchange) -> None:
        exchange.answer.headers.set("X-Stamp", exchange.route.id)
