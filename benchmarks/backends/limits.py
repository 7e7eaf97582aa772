"""Drivers of limits: what a decision costs, on Redis beside the same script by redis-py."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median

from redis.asyncio import Redis

from backends.limits import DRIVERS, Limits
from backends.limits.redis_script import SCRIPT
from benchmarks.backends import Row, Start, embedded, server
from benchmarks.backends.keyvalue import AT_ONCE, Call, beside
from tests.engines.redis import Redis as RedisServer

MANY = 20_000
ROUNDS = 5
RATE = (1000, 1.0, 100)


@contextmanager
def shared(folder: Path) -> Iterator[str]:
    yield f"shm:///bench-{folder.name}"


class PatientServer(RedisServer):
    """For a busy machine."""

    @property
    def url(self) -> str:
        return f"{super().url}?timeout=2s"


class LeasedServer(PatientServer):
    @property
    def url(self) -> str:
        return f"{super().url}&lease=50"


ENGINES: dict[str, Start] = {
    "memory": embedded("memory://"),
    "shm": shared,
    "redis": server(PatientServer),
    "redis-lease": server(LeasedServer),
}


async def measure(url: str) -> list[Row]:
    limits = DRIVERS.open(url)

    async def ours(number: int) -> None:
        said = limits.take(f"bench {number % 100}", *RATE)
        if isinstance(said, Awaitable):
            await said

    if url.startswith("redis"):
        async with bare(url) as script:
            rows = [
                await beside(f"take, {at_once} at once", ours, script, at_once)
                for at_once in (1, AT_ONCE)
            ]
    else:
        rows = [Row("take", MANY, median(taking(limits) for _ in range(ROUNDS)))]
    await limits.close()
    return rows


def taking(limits: Limits) -> float:
    begun = time.perf_counter()
    for number in range(MANY):
        limits.take(f"bench {number % 100}", *RATE)
    return time.perf_counter() - begun


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Call]:
    count, seconds, burst = RATE
    async with Redis.from_url(url.partition("?")[0]) as client:
        script = client.register_script(SCRIPT)

        def call(number: int) -> Awaitable[object]:
            numbers = [1, seconds / count * 1e6, burst]
            said: Awaitable[object] = script([f"bare {number % 100}"], numbers)
            return said

        yield call
