"""Jobs. Bare: the same statements and scripts, with values made before, by the client alone."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis as Client

from backends.jobs import DRIVERS, NewJob
from backends.jobs import postgres_schema as pg
from backends.jobs import redis_scripts as lua
from backends.jobs import sqlite_schema as lite
from backends.jobs.job import new_id
from backends.jobs.running import Running
from backends.jobs.worker import Worker
from backends.redis.link import Script
from benchmarks.backends import Row, Spent, embedded, server
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis

ENGINES = {
    "sqlite": embedded("sqlite:///{folder}/jobs.db"),
    "redis": server(Redis),
    "postgresql": server(Postgres),
}

ROUNDS = 5
ONE_BY_ONE = 300
MANY = 4000
BATCH = 500
AT_ONCE = 100
RULES = b"[1.0,2.0,3600.0,300.0]"


class Bare(Protocol):
    """Jobs of queue `bare`."""

    async def enqueue(self, ids: Sequence[str]) -> None: ...

    async def run(self, count: int) -> int:
        """Claims so many and finishes them; how many there were."""

    async def close(self) -> None: ...


class BareSqlite:
    def __init__(self, url: str) -> None:
        self._db = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")

    async def enqueue(self, ids: Sequence[str]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        now = time.time()
        rest = ("n", "ready", b"null", 0, None, 5, RULES, now, now)
        self._db.executemany(lite.INSERT, [("bare", job_id, *rest) for job_id in ids])
        self._db.execute("COMMIT")

    async def run(self, count: int) -> int:
        now = time.time()
        self._db.execute("BEGIN IMMEDIATE")
        rows = self._db.execute(lite.CLAIM, ("bare", count, now + 30, "w", now)).fetchall()
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")
        ends = [("bare", row[3], row[4], "done", now, now, None, None) for row in rows]
        self._db.executemany(lite.FINISH, ends)
        self._db.execute("COMMIT")
        return len(rows)

    async def close(self) -> None:
        self._db.close()


class BareRedis:
    def __init__(self, url: str) -> None:
        self._client: Any = Client.from_url(url, protocol=2)
        self._base = "ait-gateway:jobs:{bare}:"

    async def _send(self, script: Script, *values: Any) -> Any:
        return await self._client.execute_command("EVALSHA", script.digest, 1, self._base, *values)

    async def enqueue(self, ids: Sequence[str]) -> None:
        rest = ("n", b"null", 0, 0, "", 5, RULES)
        values = [value for job_id in ids for value in (job_id, *rest)]
        await self._send(lua.enqueue, 1_000_000, len(ids), *values)

    async def run(self, count: int) -> int:
        _, *rows = await self._send(lua.claim, count, 30_000, "w", "lost")
        values = [value for row in rows for value in (row[0], row[1], "done", 0, b"", "")]
        await self._send(lua.finish, 1000, 604_800_000, 100_000, *values)
        return len(rows)

    async def close(self) -> None:
        await self._client.aclose()


class BarePostgres:
    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def enqueue(self, ids: Sequence[str]) -> None:
        count = len(ids)
        rest = ([value] * count for value in ("n", b"null", 0, None, 5, RULES, 0.0))
        await self._pool.fetch(pg.ENQUEUE, "bare", "gateway_jobs", list(ids), *rest)

    async def run(self, count: int) -> int:
        rows = await self._pool.fetch(pg.CLAIM, "bare", count, 30.0, "w")
        ids, fences = [row[3] for row in rows], [row[4] for row in rows]
        rest = ([value] * len(rows) for value in ("done", 0.0, None, None))
        await self._pool.fetch(pg.FINISH, "bare", "gateway_jobs", ids, fences, *rest)
        return len(rows)

    async def close(self) -> None:
        await self._pool.close()


async def bare_of(url: str) -> Bare:
    match urlsplit(url).scheme:
        case "sqlite":
            return BareSqlite(url)
        case "redis":
            return BareRedis(url)
    return BarePostgres(await asyncpg.create_pool(url, min_size=8, max_size=8))


async def measure(url: str) -> list[Row]:
    jobs = DRIVERS.open(url)
    await jobs.enqueue(NewJob("warm", "n"))
    await jobs.claim("warm", "w", 1, 30)
    await jobs.finish("warm", [])
    bare = await bare_of(url)

    async def one_by_one() -> None:
        for _ in range(ONE_BY_ONE):
            await jobs.enqueue(NewJob("queue", "n"))

    async def bare_one_by_one() -> None:
        for _ in range(ONE_BY_ONE):
            await bare.enqueue([new_id()])

    async def many() -> None:
        for _ in range(MANY // BATCH):
            await jobs.enqueue_many([NewJob("queue", "n") for _ in range(BATCH)])

    async def bare_many() -> None:
        for _ in range(MANY // BATCH):
            await bare.enqueue([new_id() for _ in range(BATCH)])

    async def run() -> None:
        left, over = ONE_BY_ONE + MANY, asyncio.Event()

        async def nothing(_: Running) -> None:
            nonlocal left
            left -= 1
            if not left:
                over.set()

        worker = Worker(jobs, "queue", {"n": nothing}, concurrency=AT_ONCE)
        task = asyncio.create_task(worker.run())
        await over.wait()
        worker.stop()
        await task

    async def bare_run() -> None:
        while await bare.run(AT_ONCE):
            pass

    all_of_them = ONE_BY_ONE + MANY
    steps = (
        ("enqueue, one after the other", ONE_BY_ONE, one_by_one, bare_one_by_one),
        (f"enqueue_many, {BATCH} at a time", MANY, many, bare_many),
        (f"worker, no-op, {AT_ONCE} at once", all_of_them, run, bare_run),
    )
    try:
        rounds = [
            [(await Spent.by(ours), await Spent.by(theirs)) for _, _, ours, theirs in steps]
            for _ in range(ROUNDS)
        ]
    finally:
        await bare.close()
        await jobs.close()
    return [
        Row.beside(name, count, *map(Spent.middle, zip(*taken, strict=True)))
        for (name, count, _, _), taken in zip(steps, zip(*rounds, strict=True), strict=True)
    ]
