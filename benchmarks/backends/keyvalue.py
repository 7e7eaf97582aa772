"""Drivers of keyvalue beside redis-py, and beside a dict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis, RedisCluster

from backends.keyvalue import DRIVERS
from benchmarks.backends import Row, Spent, embedded, server
from tests.engines.redis import Redis as RedisServer
from tests.engines.redis import RedisCluster as RedisClusterServer

ENGINES = {
    "memory": embedded("memory://"),
    "redis": server(RedisServer),
    "cluster": server(RedisClusterServer),
}

OPERATIONS = 3000
ROUNDS = 5
AT_ONCE = 10
VALUE = b"v" * 200

Call = Callable[[int], Awaitable[object]]


async def beside(name: str, ours: Call, bare: Call | None, at_once: int = 1) -> Row:
    """Medians of rounds that take turns."""

    def all_of(call: Call) -> Callable[[], Awaitable[object]]:
        async def some(first: int) -> None:
            for number in range(first, OPERATIONS, at_once):
                await call(number)

        return lambda: asyncio.gather(*[some(first) for first in range(at_once)])

    one, other = [], []
    for _ in range(ROUNDS):
        one.append(await Spent.by(all_of(ours)))
        if bare is not None:
            other.append(await Spent.by(all_of(bare)))
    mine = Spent.middle(one)
    if not other:
        return Row(name, OPERATIONS, mine.clock)
    return Row.beside(name, OPERATIONS, mine, Spent.middle(other))


async def measure(url: str) -> list[Row]:
    keyvalue = DRIVERS.open(url)
    client = bare_client(url)

    def key(number: int) -> str:
        return f"bench {number % 100}"

    async def set_ours(number: int) -> None:
        await keyvalue.set(key(number), VALUE, 60)

    async def get_ours(number: int) -> None:
        await keyvalue.get(key(number))

    async def increment_ours(number: int) -> None:
        await keyvalue.increment("bench counter")

    async def set_bare(number: int) -> None:
        await client.set(key(number), VALUE, px=60_000)

    async def get_bare(number: int) -> None:
        await client.get(key(number))

    async def increment_bare(number: int) -> None:
        await client.incrby("bench counter", 1)

    pairs: list[tuple[str, Call, Call]] = [
        ("set, ttl", set_ours, set_bare),
        ("get", get_ours, get_bare),
        ("increment", increment_ours, increment_bare),
    ]
    rows = []
    for at_once in (1, AT_ONCE):
        for name, ours, bare in pairs:
            shown = f"{name}, {at_once} at once"
            rows.append(await beside(shown, ours, bare if client else None, at_once))
    await keyvalue.close()
    if client is not None:
        await client.aclose()
    return rows


def bare_client(url: str) -> Any:
    if url.startswith("redis+cluster"):
        return RedisCluster.from_url(url.replace("redis+cluster", "redis"))
    return Redis.from_url(url) if url.startswith("redis") else None
