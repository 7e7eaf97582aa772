"""The upstream for what nginx does not serve: WebSocket messages and server-sent events.

`python -m benchmarks.harness.live PORT`. It speaks only what the harness asks of it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
import time
from typing import cast

import uvloop

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
PAYLOAD = b"a message of sixty-four bytes, sent to and fro until time is up."
ANSWER = bytes([0x81, len(PAYLOAD)]) + PAYLOAD
MASKED = 6 + len(PAYLOAD)
CLOSE = 0x88
TICK = 0.05
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
LISTENERS: set[asyncio.Transport] = set()


class Live(asyncio.Protocol):
    """One connection: it begins as HTTP and ends as one of the two."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.upgraded = False

    def connection_lost(self, _: Exception | None) -> None:
        LISTENERS.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.upgraded:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.buffer = rest
            self._begin(head)
        if self.upgraded:
            self._echo()

    def _begin(self, head: bytes) -> None:
        if b"/live/ws " not in head.split(b"\r\n", 1)[0]:
            self.transport.write(EVENTS)
            LISTENERS.add(self.transport)
            return
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        key = fields[b"sec-websocket-key"] + MAGIC
        accept = base64.b64encode(hashlib.sha1(key).digest())  # noqa: S324 - RFC 6455 asks for it
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.upgraded = True

    def _echo(self) -> None:
        """One answer for each whole message, all of which are as long as PAYLOAD."""
        if self.buffer[:1] == bytes([CLOSE]):
            self.transport.close()
            return
        whole, rest = divmod(len(self.buffer), MASKED)
        self.buffer = self.buffer[len(self.buffer) - rest :]
        if whole:
            self.transport.write(ANSWER * whole)


async def tell() -> None:
    """The same event to everybody who listens, with the monotonic clock's nanoseconds in it."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += TICK
        await asyncio.sleep(max(0.0, due - loop.time()))
        event = b'data: {"at": %020d, "what": "an event that all hear"}\n\n' % time.monotonic_ns()
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        for listener in list(LISTENERS):
            listener.write(chunk)


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Live, "127.0.0.1", port, backlog=4096)
    async with server, asyncio.TaskGroup() as group:
        group.create_task(tell())


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
