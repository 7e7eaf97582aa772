"""What the connections of a worker share: how many may stay, and how they end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.gateway.serving import Served, serving, until, upstream

CONFIG = """
defaults: {limits: {connections: 2}}
upstreams: {up: {targets: [{url: "%s"}]}}
routes:
- {id: up, match: {path: /up}, upstream: up}
- {id: ping, match: {path: /ping}, respond: {body: pong}}
"""
PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
UP = b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(served: Served) -> Streams:
    return await asyncio.open_connection("127.0.0.1", served.port)


async def pong(streams: Streams) -> bytes:
    reader, writer = streams
    writer.write(PING)
    return await reader.readuntil(b"pong")


async def test_one_connection_too_many_is_told_so_and_the_others_stay(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG % "http://127.0.0.1:1") as served:
        first, second, third = [await connected(served) for _ in range(3)]
        refused = await third[0].read()
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in refused
        assert b"\r\nConnection: close\r\n" in refused
        for streams in (first, second):
            assert b"pong" in await pong(streams)
        first[1].close()
        plane = served.gateway.plane
        await until(lambda: len(plane.connections) == 1)
        fourth = await connected(served)
        assert b"pong" in await pong(fourth)
        for _, writer in (second, third, fourth):
            writer.close()
        await until(lambda: not plane.connections)


async def test_every_request_has_an_id_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG % "http://127.0.0.1:1") as served:
        streams = await connected(served)
        ids = set()
        for _ in range(50):
            head = await pong(streams)
            ids.add(head.partition(b"X-Request-ID: ")[2].partition(b"\r\n")[0])
        assert len(ids) == 50
        assert len({name.partition(b"-")[0] for name in ids}) == 1
        streams[1].close()


async def test_what_is_in_flight_is_counted(tmp_path: Path) -> None:
    async with upstream() as echo, serving(tmp_path, CONFIG % echo.url) as served:
        plane = served.gateway.plane
        echo.go.clear()
        idle, (reader, writer) = [await connected(served) for _ in range(2)]
        assert plane.in_flight() == 0
        writer.write(UP)
        await echo.came.acquire()
        assert (plane.in_flight(), len(plane.connections)) == (1, 2)
        echo.go.set()
        await reader.readuntil(b"Via")
        assert plane.in_flight() == 0
        for _, each in (idle, (reader, writer)):
            each.close()


async def test_draining_ends_idle_connections_now_and_busy_ones_with_their_answer(
    tmp_path: Path,
) -> None:
    async with upstream() as echo, serving(tmp_path, CONFIG % echo.url) as served:
        plane = served.gateway.plane
        echo.go.clear()
        idle, busy = [await connected(served) for _ in range(2)]
        await pong(idle)
        busy[1].write(UP)
        await echo.came.acquire()
        plane.start_draining()
        drained = asyncio.create_task(plane.drain(30))
        assert await idle[0].read() == b""
        assert not drained.done()
        echo.go.set()
        answer = await busy[0].read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        await drained
        assert not plane.connections
        for _, writer in (idle, busy):
            writer.close()


async def test_what_is_not_done_in_time_is_ended(tmp_path: Path) -> None:
    async with upstream() as echo, serving(tmp_path, CONFIG % echo.url) as served:
        plane = served.gateway.plane
        echo.go.clear()
        reader, writer = await connected(served)
        writer.write(UP)
        await echo.came.acquire()
        plane.start_draining()
        await plane.drain(0.01)
        await until(lambda: not plane.connections)
        assert await reader.read() == b""
        writer.close()


async def test_drain_with_nothing_open_does_not_wait(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG % "http://127.0.0.1:1") as served:
        await served.gateway.plane.drain(3600)


async def test_a_new_table_waits_for_requests_on_the_old_ones_routes_only(tmp_path: Path) -> None:
    async with upstream() as echo, serving(tmp_path, CONFIG % echo.url) as served:
        plane = served.gateway.plane
        busy_route, other = sorted(plane.table.routes, key=lambda route: route.id != "up")[:2]
        echo.go.clear()
        reader, writer = await connected(served)
        writer.write(UP)
        await echo.came.acquire()
        await plane.quiet([other], 3600)
        waiting = asyncio.create_task(plane.quiet([busy_route], 3600))
        await plane.quiet([busy_route], 0.01)
        assert not waiting.done()
        echo.go.set()
        await waiting
        await reader.readuntil(b"Via")
        writer.close()
