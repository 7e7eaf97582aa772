from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from backends.errors import BackendUnavailable
from backends.events import BEGIN, DRIVERS, CursorExpired, Log
from tests.backends.events.faults import nothing_acknowledged_is_lost
from tests.conformance.events import LogContract, bodies, take
from tests.engines.redis import Redis

names = count()


def opened(server: Redis, options: str = "timeout=10s", prefix: str = "") -> Log:
    url = server.url.replace("redis://", "redis+stream://")
    return cast(Log, DRIVERS.open(f"{url}?{options}&prefix={prefix or f'log{next(names)}:'}"))


class TestRedisStream(LogContract):
    @pytest.fixture
    async def events(self, redis: Redis) -> AsyncIterator[Log]:
        events = opened(redis)
        yield events
        await events.close()

    @pytest.fixture
    def namespace(self) -> str:
        return "stream"


@pytest.mark.parametrize(
    ("options", "kept"), [("max_events=10", 10), ("max_bytes=1010B", 10), ("max_age=1ms", 1)]
)
async def test_retention_is_bounded(redis: Redis, options: str, kept: int) -> None:
    events = opened(redis, f"timeout=10s&{options}")
    before = await events.latest()
    for number in range(30):
        await events.publish("a", b"%0100d" % number)
        await asyncio.sleep(0.003)
    async with events.subscribe("a", after=BEGIN) as said:
        assert [int(body) for body in await bodies(said, kept)] == list(range(30 - kept, 30))
    with pytest.raises(CursorExpired):
        async with events.subscribe("a", after=before):
            pass
    await events.close()


async def test_who_is_overtaken_by_retention_is_told(redis: Redis) -> None:
    events = opened(redis, "timeout=10s&max_events=10")
    async with events.subscribe("a") as said:
        for _ in range(30):
            await events.publish("a", b"")
        with pytest.raises(CursorExpired):
            await take(said, 1)
    await events.close()


async def test_what_another_publishes_comes(redis: Redis) -> None:
    one, other = opened(redis, prefix="same:"), opened(redis, prefix="same:")
    async with one.subscribe("a") as said:
        for number in range(3):
            waiting = asyncio.ensure_future(bodies(said, 1))
            await asyncio.sleep(0.02)
            await other.publish("a", b"%d" % number)
            assert await waiting == [b"%d" % number]
    await one.close()
    await other.close()


@pytest.mark.parametrize("fault", ["kill", "stop", "pause"])
async def test_nothing_acknowledged_is_lost(tmp_path: Path, fault: str) -> None:
    with Redis(tmp_path) as server:
        log = opened(server, "timeout=500ms")
        await nothing_acknowledged_is_lost(log, server, [fault, fault])
        await log.close()


async def test_without_its_server_nobody_is_subscribed(tmp_path: Path) -> None:
    events = opened(Redis(tmp_path), "timeout=500ms")
    with pytest.raises(BackendUnavailable):
        async with events.subscribe("a"):
            pass
    await events.close()
