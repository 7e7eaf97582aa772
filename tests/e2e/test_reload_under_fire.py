"""Reloads with thousands of open connections, idle and in the middle of things: none is closed."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.gateway_process import GatewayProcess, eventually
from tests.e2e.rawhttp import DEADLINE, request
from tests.e2e.site import Site

IDLE, STREAMS, UPLOADS, TUNNELS, SLOW = 1400, 250, 100, 250, 20
AT_ONCE = 100
FILES = 8000
HALF = b"h" * 1000
HOST = "fire.test"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n"


class Wire(NamedTuple):
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> bytes:
        """The body of one that has a Content-Length."""
        head = (await self.head()).lower()
        assert head.startswith(b"http/1.1 200"), head
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return await self.reader.readexactly(int(length))


class Upstream:
    """Streams that go on at each `beat` until `over`, uploads, tunnels, and what takes long."""

    def __init__(self) -> None:
        self.arrived = 0
        self.over = asyncio.Event()
        self.tasks: set[asyncio.Task[None] | None] = set()
        self._beat = asyncio.Event()

    def beat(self) -> None:
        now, self._beat = self._beat, asyncio.Event()
        now.set()

    def end(self) -> None:
        self.over.set()
        self.beat()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                self.arrived += 1
                await getattr(self, path.strip("/"))(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def stream(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"1\r\n.\r\n")
        while not self.over.is_set():
            await self._beat.wait()
            writer.write(b"0\r\n\r\n" if self.over.is_set() else b"1\r\n.\r\n")

    async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await reader.readexactly(2 * len(HALF))
        assert body == 2 * HALF
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")

    async def tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SWITCHED)
        while data := await reader.read(100):
            writer.write(data)

    async def slow(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.over.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[Upstream, str]]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=1000)
    yield upstream, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    upstream.end()
    server.close()
    for task in filter(None, upstream.tasks):
        task.cancel()
    await asyncio.gather(*filter(None, upstream.tasks), return_exceptions=True)


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest, _many_files: None) -> Iterator[Site]:
    site = Site(tmp_path, "--watch")
    site.server |= {"workers": request.param, "drain": "1s"}
    site.defaults["timeout"] |= {"request": "60s", "idle": "60s"}
    yield site
    site.close()


def say(site: Site, word: str, *, fire: bool = True) -> None:
    """A table whose `/pong` says `word`; without `fire` the upstream and its route are gone."""
    site.routes = [route for route in site.routes if fire and route["id"] == "fire"]
    site.route("pong", "/pong", hosts=[HOST], respond={"body": word})
    if not fire:
        site.upstreams.clear()
        site.route("slow", "/slow", hosts=[HOST], respond={"body": "new"})


async def everyone(count: int, one: Callable[[], Awaitable[Wire]]) -> list[Wire]:
    """So many connections, some at a time."""
    made: list[Wire] = []
    while len(made) < count:
        some = min(AT_ONCE, count - len(made))
        made += await asyncio.gather(*(one() for _ in range(some)))
    return made


class Crowd:
    """All the clients there are, each in the middle of what its list says."""

    def __init__(self, site: Site, upstream: Upstream) -> None:
        self._address = site.gateway.address
        self._upstream = upstream
        self._wires: list[Wire] = []

    async def gather(self) -> None:
        self.idle = await everyone(IDLE, lambda: self._asking("/pong"))
        assert await self._pongs() == {b"0"}
        self.streams = await everyone(STREAMS, lambda: self._asking("/stream"))
        for stream in self.streams:
            await stream.head()
            assert await stream.reader.readline() == b"1\r\n"
            assert await stream.reader.readline() == b".\r\n"
        length = f"Content-Length: {2 * len(HALF)}"
        self.uploads = await everyone(UPLOADS, lambda: self._asking("/upload", length, body=HALF))
        upgrade = ("Connection: upgrade", "Upgrade: foo")
        self.tunnels = await everyone(TUNNELS, lambda: self._asking("/tunnel", *upgrade))
        for tunnel in self.tunnels:
            assert (await tunnel.head()).startswith(b"HTTP/1.1 101")
        self.slow = await everyone(SLOW, lambda: self._asking("/slow"))
        arrived = STREAMS + UPLOADS + TUNNELS + SLOW
        async with asyncio.timeout(DEADLINE):
            while self._upstream.arrived < arrived:  # noqa: ASYNC110  another program's doing
                await asyncio.sleep(0.02)

    async def go_on(self, word: bytes) -> None:
        """Everybody is still there, and what was under way goes on."""
        for idle in self.idle:
            idle.writer.write(request("GET", "/pong", HOST))
        assert await self._pongs() == {word}
        self._upstream.beat()
        for stream in self.streams:
            assert await stream.reader.readexactly(6) == b"1\r\n.\r\n"
        for tunnel in self.tunnels:
            tunnel.writer.write(word)
        for tunnel in self.tunnels:
            assert await tunnel.reader.readexactly(len(word)) == word

    async def finish(self) -> None:
        """What was under way ends as it would have without a reload."""
        self._upstream.end()
        for stream in self.streams:
            assert await stream.reader.readexactly(5) == b"0\r\n\r\n"
        for upload in self.uploads:
            upload.writer.write(HALF)
        assert {await upload.answer() for upload in self.uploads} == {b"whole"}
        assert {await slow.answer() for slow in self.slow} == {b"old"}
        for slow in self.slow:
            slow.writer.write(request("GET", "/slow", HOST))
        assert {await slow.answer() for slow in self.slow} == {b"new"}

    async def leave(self) -> None:
        for wire in self._wires:
            wire.writer.close()
        await asyncio.gather(
            *(wire.writer.wait_closed() for wire in self._wires), return_exceptions=True
        )

    async def _pongs(self) -> set[bytes]:
        return {await idle.answer() for idle in self.idle}

    async def _asking(self, path: str, *lines: str, body: bytes = b"") -> Wire:
        wire = Wire(*await asyncio.open_connection(*self._address))
        self._wires.append(wire)
        method = "POST" if body else "GET"
        wire.writer.write(request(method, path, HOST, *lines) + body)
        return wire


def by_signal(gateway: GatewayProcess) -> None:
    gateway.signal(signal.SIGHUP)


def by_admin(gateway: GatewayProcess) -> None:
    assert gateway.admin("/reload", "POST").status == 200


def by_itself(gateway: GatewayProcess) -> None:
    """`--watch` sees the file change; so it does after the others, and finds nothing new."""


@pytest.mark.parametrize("site", [1, 2], ids=["one_process", "two_workers"], indirect=True)
async def test_no_connection_is_closed_and_each_request_ends_on_its_own_table(
    site: Site, upstream: tuple[Upstream, str]
) -> None:
    served, url = upstream
    site.upstream("fire", url, max_connections=1000)
    site.route("fire", hosts=[HOST], upstream="fire")
    say(site, "0")
    await asyncio.to_thread(site.start)
    crowd = Crowd(site, served)
    try:
        async with asyncio.timeout(3 * DEADLINE):
            await crowd.gather()
            for number, trigger in enumerate((by_signal, by_admin, by_itself), 1):
                say(site, str(number), fire=number < 3)
                await asyncio.to_thread(take, site, trigger, str(number).encode())
                await crowd.go_on(str(number).encode())
            await crowd.finish()
    finally:
        await crowd.leave()


def take(site: Site, trigger: Callable[[GatewayProcess], None], word: bytes) -> None:
    """Write the table, have it taken, and wait until every worker has."""
    site.gateway.write(site.config())
    trigger(site.gateway)

    def taken() -> bool:
        client = site.gateway.connect()
        try:
            return client.get("/pong", HOST).body == word
        finally:
            client.close()

    eventually(lambda: all(taken() for _ in range(8)), "the reload")
