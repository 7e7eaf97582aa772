"""PostgreSQL stopped, killed or hanging."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import pytest
import sqlalchemy as sa

from backends.errors import BackendUnavailable
from backends.sql import DRIVERS, Sql
from tests.engines.postgres import Postgres

OPTIONS = "?pool=4&wait=500ms&connect=500ms&timeout=500ms"
LONGEST = 8.0
"""Seconds: in line, connecting, a statement, and letting go of a connection that hangs."""
WRITTEN = sa.Table("written", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True))


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path) as engine:
        yield engine


@pytest.fixture
async def sql(fragile: Postgres) -> AsyncIterator[Sql]:
    sql = DRIVERS.open(fragile.url + OPTIONS)
    async with sql.write() as connection:
        await connection.run_sync(WRITTEN.create)
    yield sql
    await sql.close()


class Load:
    """Writes from several tasks, whatever happens, and remembers what was acknowledged."""

    def __init__(self, sql: Sql) -> None:
        self.sql = sql
        self.acknowledged: set[int] = set()
        self.failed = 0
        self.longest = 0.0
        self._next = iter(range(1 << 30))
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._write()) for _ in range(6)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _write(self) -> None:
        while not self._stopping:
            number, began = next(self._next), time.monotonic()
            try:
                async with self.sql.write() as connection:
                    await connection.execute(WRITTEN.insert().values(number=number))
            except BackendUnavailable:
                self.failed += 1
                await asyncio.sleep(0.01)
            else:
                self.acknowledged.add(number)
            self.longest = max(self.longest, time.monotonic() - began)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():  # noqa: ASYNC110 - it is told by its counts alone
                await asyncio.sleep(0.01)

    async def get_on(self) -> None:
        goal = len(self.acknowledged) + 50
        await self.until(lambda: len(self.acknowledged) >= goal)

    async def fail(self) -> None:
        goal = self.failed + 10
        await self.until(lambda: self.failed >= goal)


async def numbers(sql: Sql) -> set[int]:
    async with sql.read() as view:
        return set((await view.execute(sa.select(WRITTEN))).scalars())


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_server_that_comes_back_has_all_it_acknowledged(
    fragile: Postgres, sql: Sql, how: str
) -> None:
    async with Load(sql) as load:
        await load.get_on()
        await asyncio.to_thread(getattr(fragile, how))
        await load.fail()
        await asyncio.to_thread(fragile.start)
        await load.get_on()
    assert load.acknowledged <= await numbers(sql)
    assert load.longest < LONGEST
    assert sql.pool()[1:] == (0, 0)


async def test_a_server_that_hangs_hangs_nobody(fragile: Postgres, sql: Sql) -> None:
    async with Load(sql) as load:
        await load.get_on()
        with fragile.paused():
            await load.fail()
            with pytest.raises(BackendUnavailable):
                await sql.check()
        await load.get_on()
    assert load.acknowledged <= await numbers(sql)
    assert load.longest < LONGEST
    assert sql.pool()[1:] == (0, 0)


async def test_closing_does_not_hang_with_the_server(fragile: Postgres, sql: Sql) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await (await stack.enter_async_context(sql.read())).exec_driver_sql("SELECT 1")
    with fragile.paused():
        async with asyncio.timeout(LONGEST):
            await sql.close()


async def test_a_load_that_hangs_ends(fragile: Postgres, sql: Sql) -> None:
    async def rows() -> AsyncIterator[tuple[int]]:
        for number in range(1 << 30):
            if number == 5000:
                fragile.pause()
            yield (number,)

    try:
        async with asyncio.timeout(LONGEST):
            with pytest.raises(BackendUnavailable):
                await sql.load(WRITTEN, ["number"], rows())
    finally:
        fragile.resume()
    await put_when_it_answers(sql)
    assert await numbers(sql) == {-1}


async def put_when_it_answers(sql: Sql) -> None:
    async with asyncio.timeout(LONGEST):
        while True:
            try:
                async with sql.write() as connection:
                    await connection.execute(WRITTEN.insert().values(number=-1))
            except BackendUnavailable:
                continue
            return


async def test_a_server_that_was_never_there_is_unavailable() -> None:
    sql = DRIVERS.open("postgresql://user:hush@127.0.0.1:9/db?connect=500ms")
    for call in (sql.check, lambda: numbers(sql), lambda: sql.load(WRITTEN, ["number"], [])):
        with pytest.raises(BackendUnavailable) as raised:
            await call()
        assert "hush" not in str(raised.value)
    await sql.close()
