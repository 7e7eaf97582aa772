"""A whole gateway in the test's own loop, and an upstream that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.app import Gateway, configuration
from gateway.upstream.pool import Upstream


class Echo:
    """Answers every request with the head it got, once `go` is set; counts its connections.

    last: each answer is the last of its connection, and says so.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.heads: list[bytes] = []
        self.came = asyncio.Semaphore(0)
        self.opened = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.last = False
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.tasks.add(asyncio.current_task())
        self.writers.add(writer)
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                self.came.release()
                await self.go.wait()
                length = b"Content-Length: %d" % len(head)
                last = b"\r\nConnection: close" if self.last else b""
                writer.write(b"HTTP/1.1 200 OK\r\n" + length + last + b"\r\n\r\n" + head)
                if self.last:
                    writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


class Served:
    """The gateway of one configuration, and how to reach it."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port

    def upstream(self, name: str = "up") -> Upstream:
        assert self.gateway.table is not None
        return self.gateway.table.upstreams[name]

    async def ask(self, *lines: str, body: bytes = b"") -> bytes:
        """Send a head and a body on a connection of its own; all bytes of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(
                "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body
            )
            return await reader.read()
        finally:
            writer.close()

    async def get(self, *lines: str, path: str = "/") -> bytes:
        return await self.ask(f"GET {path} HTTP/1.1", "Host: a.test", *lines)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a state of which nothing tells."""
    while not holds():  # noqa: ASYNC110  what is looked at is a plain attribute
        await asyncio.sleep(0.005)


@asynccontextmanager
async def upstream() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    echo.url = f"http://{host}:{port}"
    try:
        yield echo
    finally:
        server.close()
        for writer in tuple(echo.writers):
            writer.close()
        await server.wait_closed()
        echo.go.set()
        await asyncio.gather(*filter(None, echo.tasks))


@asynccontextmanager
async def serving(
    folder: Path, config: str, server: str = "", port: int = 0
) -> AsyncIterator[Served]:
    """`config`: all but `server`; `server`: more lines of that section, as a flow mapping."""
    more = f", {server}" if server else ""
    path = folder / "gateway.yaml"
    own = f'{{listen: ["unix:{folder}/gw.sock"], admin: null, access_log: "off"{more}}}'
    path.write_text(f"version: 1\nserver: {own}\n{config}")
    gateway = Gateway(path, configuration(path))
    try:
        await gateway.start()
        (address,) = await gateway.listening.start([f"127.0.0.1:{port}"])
        yield Served(gateway, int(address.rpartition(":")[2]))
    finally:
        await gateway.stop(grace=0.0)  # nobody is there to be told
