"""The usual way in Python: an aiohttp handler that asks the upstream with a ClientSession."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict

HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "transfer-encoding", "upgrade"})
SESSION = web.AppKey("SESSION", aiohttp.ClientSession)
CHUNK = 256 * 1024


def forwarded(request: web.Request) -> CIMultiDict[str]:
    headers = CIMultiDict(
        (name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP
    )
    headers["X-Forwarded-For"] = request.remote or ""
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Host"] = request.host
    return headers


async def proxy(request: web.Request) -> web.StreamResponse:
    live = request.path.startswith("/live/")
    url = f"http://127.0.0.1:{18091 if live else 18090}{request.raw_path}"
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await tunnel(request, url)
    session = request.app[SESSION]
    body = request.content if request.body_exists else None
    async with session.request(
        request.method, url, headers=forwarded(request), data=body, allow_redirects=False
    ) as answer:
        kept = [(n, v) for n, v in answer.headers.items() if n.lower() not in HOP_BY_HOP]
        length = answer.content_length
        if length is not None and length <= CHUNK:
            read = await answer.read()
            return web.Response(status=answer.status, headers=CIMultiDict(kept), body=read)
        response = web.StreamResponse(status=answer.status, headers=CIMultiDict(kept))
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        return response


async def tunnel(request: web.Request, url: str) -> web.WebSocketResponse:
    near = web.WebSocketResponse(compress=False)
    await near.prepare(request)
    async with request.app[SESSION].ws_connect(url, max_msg_size=0) as far:
        to_client = asyncio.create_task(pump(far, near))
        await pump(near, far)
        to_client.cancel()
    return near


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def pump(source: Socket, sink: Socket) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)


async def session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=300)
    app[SESSION] = aiohttp.ClientSession(connector=connector, auto_decompress=False)
    yield
    await app[SESSION].close()


async def main() -> None:
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", proxy)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=300)
    await runner.setup()
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secure.minimum_version = ssl.TLSVersion.TLSv1_3
    secure.load_cert_chain("cert.pem", "key.pem")
    await web.TCPSite(runner, "127.0.0.1", 18080, backlog=4096).start()
    await web.TCPSite(runner, "127.0.0.1", 18443, ssl_context=secure, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
