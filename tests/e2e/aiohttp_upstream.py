"""An aiohttp server as an upstream, for what it speaks well: WebSocket and server-sent events."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

from aiohttp import WSMsgType, web

from tests.e2e.rawhttp import DEADLINE


class AiohttpUpstream:
    """Runs in a thread while entered. `close_codes` are those that clients closed with."""

    def __init__(self) -> None:
        self.port = 0
        self.close_codes: list[int | None] = []
        self.closed = threading.Semaphore(0)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)

    def _run(self) -> None:
        runner = self._loop.run_until_complete(self._serve())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _serve(self) -> web.AppRunner:
        application = web.Application()
        application.add_routes(
            [
                web.get("/echo", self._websocket),
                web.get("/events", self._events),
                web.get("/refused", self._refused),
            ]
        )
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        return runner

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Echoes; `close NNNN` makes it close with that code."""
        socket = web.WebSocketResponse(max_msg_size=0, protocols=("chat", "superchat"))
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.data.startswith("close "):
                await socket.close(code=int(message.data[6:]), message=b"as you asked")
            else:
                await socket.send_str(message.data)
        self.close_codes.append(socket.close_code)
        self.closed.release()
        return socket

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(b"data: %d\n\n" % number)
        return response

    async def _refused(self, request: web.Request) -> web.Response:
        raise web.HTTPForbidden(text="not you")
