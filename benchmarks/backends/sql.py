"""Blocks beside SQLAlchemy's own transactions, and beside the driver without SQLAlchemy."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiosqlite
import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from backends.sql import DRIVERS, Sql
from benchmarks.backends import Row, embedded, server
from tests.engines.postgres import Postgres

ENGINES = {
    "sqlite": embedded("sqlite:///{folder}/bench.db?synchronous=normal"),
    "postgresql": server(Postgres),
}
READS, WRITES, ROWS = 3000, 1000, 100_000
TABLE = sa.Table(
    "bench",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(100)),
    sa.Column("score", sa.Float),
)
SELECT = sa.select(TABLE).where(TABLE.c.id == sa.bindparam("i"))
UPDATE = TABLE.update().where(TABLE.c.id == sa.bindparam("i")).values(score=sa.bindparam("s"))

Call = Callable[[int], Awaitable[object]]


async def measure(url: str) -> list[Row]:
    sql = DRIVERS.open(url)
    async with sql.write() as connection:
        await connection.run_sync(TABLE.create)
    loaded = await spent(1, loading(sql))
    bare = BarePostgresql(url) if sql.dialect == "postgresql" else BareSqlite(url)
    await bare.open()
    found = [
        *await both("read by key", READS, reading(sql), bare.core_read, bare.read),
        *await both("write", WRITES, writing(sql), bare.core_write, bare.write),
        Row("load a row", ROWS, loaded, await spent(1, bare.load)),
    ]
    await bare.close()
    await sql.close()
    return found


async def both(name: str, count: int, ours: Call, core: Call, driver: Call) -> list[Row]:
    """Twice in turns, the better counts: others use the machine too."""
    best = [
        min(pair)
        for pair in zip(
            *[[await spent(count, call) for call in (ours, core, driver)] for _ in range(2)],
            strict=True,
        )
    ]
    return [
        Row(f"{name}, beside SQLAlchemy", count, best[0], best[1]),
        Row(f"{name}, beside the driver", count, best[0], best[2]),
    ]


async def spent(count: int, call: Call) -> float:
    await call(0)
    began = time.perf_counter()
    for number in range(count):
        await call(number)
    return time.perf_counter() - began


def rows() -> list[tuple[int, str, float]]:
    return [(i, f"somebody called {i}", i / 7) for i in range(ROWS)]


def reading(sql: Sql) -> Call:
    async def read(number: int) -> None:
        async with sql.read() as view:
            (await view.execute(SELECT, {"i": number})).one()

    return read


def writing(sql: Sql) -> Call:
    async def write(number: int) -> None:
        async with sql.write() as connection:
            await connection.execute(UPDATE, {"i": number, "s": 1.5})

    return write


def loading(sql: Sql) -> Call:
    async def load(_: int) -> None:
        async with sql.write() as connection:
            await connection.execute(TABLE.delete())
            await sql.load(TABLE, list(TABLE.c.keys()), rows(), within=connection)

    return load


class Bare:
    engine: AsyncEngine
    reading: AsyncEngine

    async def core_read(self, number: int) -> None:
        async with self.reading.begin() as connection:
            (await connection.execute(SELECT, {"i": number})).one()

    async def core_write(self, number: int) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(UPDATE, {"i": number, "s": 1.5})


class BarePostgresql(Bare):
    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_async_engine(url.replace("://", "+asyncpg://"))
        self.reading = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    async def open(self) -> None:
        self.pool: Any = await asyncpg.create_pool(self.url)

    async def read(self, number: int) -> None:
        async with (
            self.pool.acquire() as link,
            link.transaction(isolation="repeatable_read", readonly=True),
        ):
            await link.fetchrow("SELECT * FROM bench WHERE id = $1", number)

    async def write(self, number: int) -> None:
        async with self.pool.acquire() as link, link.transaction():
            await link.execute("UPDATE bench SET score = $2 WHERE id = $1", number, 1.5)

    async def load(self, _: int) -> None:
        async with self.pool.acquire() as link, link.transaction():
            await link.execute("DELETE FROM bench")
            await link.copy_records_to_table("bench", records=rows())

    async def close(self) -> None:
        await self.pool.close()
        await self.engine.dispose()


class BareSqlite(Bare):
    def __init__(self, url: str) -> None:
        self.path = url.partition(":///")[2].partition("?")[0]
        self.engine = create_async_engine(f"sqlite+aiosqlite:///{self.path}")
        self.reading = self.engine
        sa.event.listen(self.engine.sync_engine, "connect", self._set_up)

    def _set_up(self, connection: Any, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=normal").close()

    async def open(self) -> None:
        sa.event.listen(self.engine.sync_engine, "begin", self._begin)
        self.link = await aiosqlite.connect(self.path, isolation_level=None)
        await self.link.execute("PRAGMA synchronous=normal")

    def _begin(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    async def read(self, number: int) -> None:
        await self.link.execute("BEGIN")
        async with self.link.execute("SELECT * FROM bench WHERE id = ?", (number,)) as found:
            await found.fetchone()
        await self.link.commit()

    async def write(self, number: int) -> None:
        await self.link.execute("BEGIN IMMEDIATE")
        await self.link.execute("UPDATE bench SET score = ? WHERE id = ?", (1.5, number))
        await self.link.commit()

    async def load(self, _: int) -> None:
        await self.link.execute("BEGIN IMMEDIATE")
        await self.link.execute("DELETE FROM bench")
        await self.link.executemany("INSERT INTO bench VALUES (?, ?, ?)", rows())
        await self.link.commit()

    async def close(self) -> None:
        await self.link.close()
        await self.engine.dispose()
