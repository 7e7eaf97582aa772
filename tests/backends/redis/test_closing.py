"""Whenever a driver is closed, no connection of it is left."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from backends.errors import BackendError
from backends.events import DRIVERS as EVENTS
from backends.jobs import DRIVERS as JOBS
from backends.keyvalue import DRIVERS, KeyValue
from tests.engines.redis import Redis, RedisCluster, RedisSentinel

Engine = Redis | RedisCluster | RedisSentinel
KEYS = [f"key {number}" for number in range(30)]


@pytest.fixture(params=["redis", "redis_cluster", "redis_sentinel"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def ports(engine: Engine) -> set[int]:
    members = getattr(engine, "members", [engine])
    return {member.port for member in members}


@asynccontextmanager
async def leaving_nothing(engine: Engine) -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    assert connected_to(ports(engine)) == []
    assert asyncio.all_tasks() <= before
    gc.collect()  # warns of what was not closed


def connected_to(these: set[int]) -> list[str]:
    found = psutil.Process().net_connections("tcp")
    return [str(each) for each in found if each.raddr and each.raddr.port in these]


def opened(engine: Engine) -> KeyValue:
    return DRIVERS.open(f"{engine.url}{'&' if '?' in engine.url else '?'}timeout=2s")


@pytest.mark.parametrize("turns", [*range(8), 12, 20, 40, 80])
async def test_amid_calls(engine: Engine, turns: int) -> None:
    """turns: of the loop, while which the first calls connect, and log in, and ask."""
    async with leaving_nothing(engine):
        keyvalue = opened(engine)
        calls = [asyncio.ensure_future(keyvalue.get_many(KEYS)) for _ in range(3)]
        calls += [asyncio.ensure_future(keyvalue.get(key)) for key in KEYS[:5]]
        for _ in range(turns):
            await asyncio.sleep(0)
        await keyvalue.close()
        for said in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(said, BackendError | list | dict | None)


@pytest.mark.parametrize("turns", [1, 3, 5, 8, 12, 20, 40])
async def test_amid_calls_that_are_given_up(engine: Engine, turns: int) -> None:
    async with leaving_nothing(engine):
        keyvalue = opened(engine)
        calls = [asyncio.ensure_future(keyvalue.get_many(KEYS)) for _ in range(3)]
        calls += [asyncio.ensure_future(keyvalue.get(key)) for key in KEYS[:5]]
        for _ in range(turns):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await keyvalue.close()
        await asyncio.wait(calls)


@pytest.mark.parametrize("turns", [0, 5, 20, 100])
async def test_amid_a_wait_for_jobs(engine: Engine, turns: int) -> None:
    async with leaving_nothing(engine):
        jobs = JOBS.open(engine.url)
        waiting = asyncio.ensure_future(jobs.wait("queue", 30.0))
        for _ in range(turns):
            await asyncio.sleep(0)
        await jobs.close()
        async with asyncio.timeout(5):
            await asyncio.wait([waiting])
        with pytest.raises(BackendError):
            waiting.result()


@pytest.mark.parametrize("turns", [0, 5, 40])
async def test_after_a_node_of_a_cluster_was_lost(tmp_path: Path, turns: int) -> None:
    with RedisCluster(tmp_path) as engine:
        async with leaving_nothing(engine):
            keyvalue = opened(engine)
            await keyvalue.get_many(KEYS)
            await asyncio.to_thread(engine.members[0].kill)
            for _ in range(3):
                await asyncio.gather(*map(keyvalue.get, KEYS), return_exceptions=True)
                with pytest.raises(BackendError):
                    await keyvalue.get_many(KEYS)
            calls = [asyncio.ensure_future(keyvalue.get_many(KEYS)) for _ in range(3)]
            for _ in range(turns):
                await asyncio.sleep(0)
            await keyvalue.close()
            await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("turns", [*range(8), 12, 20, 40, 80])
@pytest.mark.parametrize("scheme", ["redis", "redis+stream"])
async def test_amid_a_subscription_to_events(redis: Redis, scheme: str, turns: int) -> None:
    async with leaving_nothing(redis):
        events = EVENTS.open(redis.url.replace("redis", scheme, 1))

        async def listen() -> None:
            async with events.subscribe("a") as said:
                await anext(said)

        calls = [asyncio.ensure_future(listen()) for _ in range(3)]
        calls += [asyncio.ensure_future(events.publish("b", b"")) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await events.close()
        async with asyncio.timeout(5):
            for said in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(said, BackendError | None)
