"""Drivers of events beside their bare clients: to publish, and until a subscriber has it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import nats
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from backends.events import DRIVERS, Events
from benchmarks.backends import Row, Start, embedded, server
from benchmarks.backends.keyvalue import AT_ONCE, Call, beside
from tests.engines.kafka import Kafka
from tests.engines.nats import Nats
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis as RedisServer

MANY = 2000
BODY = b"v" * 200


class RedisStreams(RedisServer):
    @property
    def url(self) -> str:
        return super().url.replace("redis", "redis+stream", 1)


ENGINES: dict[str, Start] = {
    "memory": embedded("memory://"),
    "sqlite": embedded("sqlite:///{folder}/events.db"),
    "redis": server(RedisServer),
    "redis-stream": server(RedisStreams),
    "postgresql": server(Postgres),
    "nats": server(Nats),
    "kafka": server(Kafka),
}


async def measure(url: str) -> list[Row]:
    events = DRIVERS.open(url)

    async def ours(number: int) -> None:
        await events.publish("bench.ours", BODY)

    await ours(0)
    async with BARE[urlsplit(url).scheme](url) as bare:
        rows = [
            await beside(f"publish, {at_once} at once", ours, bare, at_once)
            for at_once in (1, AT_ONCE)
        ]
    rows.append(await received(events))
    await events.close()
    return rows


async def received(events: Events) -> Row:
    """Published and got, by one subscriber."""
    async with events.subscribe("bench.>") as said:
        begun = time.perf_counter()
        for first in range(0, MANY, 100):
            await asyncio.gather(*[events.publish("bench.got", BODY) for _ in range(100)])
            for _ in range(first, first + 100):
                await anext(said)
        return Row("published and received", MANY, time.perf_counter() - begun)


@asynccontextmanager
async def nothing(url: str) -> AsyncIterator[Call | None]:
    yield None


@asynccontextmanager
async def sqlite(url: str) -> AsyncIterator[Call]:
    """In a thread of its own, as the driver's."""
    path = urlsplit(url).path[1:] + ".bare"
    loop = asyncio.get_running_loop()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, topic TEXT, body BLOB)")

    def insert() -> None:
        connection.execute("INSERT INTO events (topic, body) VALUES ('bench.bare', ?)", [BODY])

    with ThreadPoolExecutor(1) as thread:
        yield lambda number: loop.run_in_executor(thread, insert)
    connection.close()


@asynccontextmanager
async def redis(url: str) -> AsyncIterator[Call]:
    async with Redis.from_url(url) as client:
        yield lambda number: client.publish("bench.bare", BODY)


@asynccontextmanager
async def redis_stream(url: str) -> AsyncIterator[Call]:
    async with Redis.from_url(url.replace("redis+stream", "redis")) as client:
        yield lambda number: client.xadd("bare", {"t": "bench.bare", "b": BODY}, maxlen=100_000)


@asynccontextmanager
async def postgresql(url: str) -> AsyncIterator[Call]:
    async with asyncpg.create_pool(url, min_size=4, max_size=4) as pool:
        body = BODY.decode()
        yield lambda number: pool.execute("SELECT pg_notify('bare', $1)", body)


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[Call]:
    client = await nats.connect(url)
    stream = client.jetstream()
    await stream.add_stream(name="bare", subjects=["bare.>"])
    yield lambda number: stream.publish("bare.topic", BODY)
    await client.close()


@asynccontextmanager
async def kafka(url: str) -> AsyncIterator[Call]:
    servers = urlsplit(url).netloc
    async with AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True) as producer:
        yield lambda number: producer.send_and_wait("bare", BODY, b"bench.bare")


Bare = Callable[[str], AbstractAsyncContextManager[Call | None]]

BARE: dict[str, Bare] = {
    "memory": nothing,
    "sqlite": sqlite,
    "redis": redis,
    "redis+stream": redis_stream,
    "postgresql": postgresql,
    "nats": jetstream,
    "kafka": kafka,
}
