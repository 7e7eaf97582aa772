"""What every driver of `Sql` must do. Subclass `SqlContract` and give it a fixture."""

# ruff: noqa: PT012 - a block raises where it ends, so it is what raises

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count as counter

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import BackendError, BackendUnavailable, Conflict, Missing, Refused
from backends.sql import Sql

names = counter()
BOMB = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)"
    " SELECT max(i) FROM n"
)
"""A statement that takes minutes on any engine."""


class SqlContract:
    """Fixture to give: `sql`, a driver of an empty database, with a `wait` of at most a second."""

    @pytest.fixture
    async def people(self, sql: Sql) -> sa.Table:
        table = sa.Table(
            f"people_{next(names)}",
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("name", sa.String(100), nullable=False, unique=True),
            sa.Column("friend", sa.Integer, nullable=True),
        )
        friend = sa.ForeignKeyConstraint([table.c.friend], [table.c.id])
        table.append_constraint(friend)
        async with sql.write() as connection:
            await connection.run_sync(table.create)
        return table

    async def test_what_a_block_wrote_is_there_after_it(self, sql: Sql, people: sa.Table) -> None:
        async with sql.write() as connection:
            await connection.execute(people.insert().values(id=1, name="Ada"))
            assert await ids(connection, people) == [1]
        assert await kept(sql, people) == [1]

    async def test_a_block_left_by_an_exception_wrote_nothing(
        self, sql: Sql, people: sa.Table
    ) -> None:
        with pytest.raises(KeyError, match="my own"):
            async with sql.write() as connection:
                await connection.execute(people.insert().values(id=1, name="Ada"))
                raise KeyError("my own")
        assert await kept(sql, people) == []

    async def test_tables_are_made_whole_or_not_at_all(self, sql: Sql) -> None:
        table = sa.Table(f"made_{next(names)}", sa.MetaData(), sa.Column("a", sa.Integer))
        with pytest.raises(Missing):
            async with sql.write() as connection:
                await connection.run_sync(table.create)
                raise Missing("my own")
        with pytest.raises(Refused):
            await kept(sql, table)

    async def test_a_view_stays_the_same_while_others_write(
        self, sql: Sql, people: sa.Table
    ) -> None:
        async with sql.read() as view:
            assert await ids(view, people) == []
            await put(sql, people, 1)
            assert await ids(view, people) == []
        assert await kept(sql, people) == [1]

    async def test_what_is_not_yet_written_is_seen_by_nobody(
        self, sql: Sql, people: sa.Table
    ) -> None:
        async with sql.write() as connection:
            await connection.execute(people.insert().values(id=1, name="Ada"))
            assert await kept(sql, people) == []

    async def test_a_view_refuses_to_write(self, sql: Sql, people: sa.Table) -> None:
        with pytest.raises(Refused):
            async with sql.read() as view:
                await view.execute(people.insert().values(id=1, name="Ada"))
        assert await kept(sql, people) == []
        await put(sql, people, 1)

    async def test_rows_are_streamed(self, sql: Sql, people: sa.Table) -> None:
        await sql.load(people, ["id", "name"], ((i, str(i)) for i in range(1000)))
        async with sql.read() as view:
            found = await view.stream(sa.select(people.c.id).order_by(people.c.id))
            assert [row.id async for row in found] == list(range(1000))

    @pytest.mark.parametrize("values", [{"id": 1}, {"name": "1"}, {"friend": 77}])
    async def test_a_key_broken_is_a_conflict(
        self, sql: Sql, people: sa.Table, values: dict[str, object]
    ) -> None:
        await put(sql, people, 1)
        with pytest.raises(Conflict):
            async with sql.write() as connection:
                row = {"id": 2, "name": "2"} | values
                await connection.execute(people.insert().values(row))
        assert await kept(sql, people) == [1]

    async def test_a_missing_value_is_refused(self, sql: Sql, people: sa.Table) -> None:
        with pytest.raises(Refused):
            async with sql.write() as connection:
                await connection.execute(people.insert().values(id=1))

    @pytest.mark.parametrize(
        "statement", ["SELEKT 1", "SELECT * FROM nowhere", "INSERT INTO nowhere VALUES (1)"]
    )
    async def test_what_is_not_sql_is_refused(self, sql: Sql, statement: str) -> None:
        with pytest.raises(Refused):
            async with sql.write() as connection:
                await connection.exec_driver_sql(statement)
        await sql.check()

    async def test_no_error_tells_a_value(self, sql: Sql, people: sa.Table) -> None:
        row = {"id": 1, "name": "hush-hush"}
        bad: Iterator[dict[str, object]] = iter([row, row | {"id": "hush-hush"}, {"id": 2} | row])
        for values in bad:
            with pytest.raises(BackendError) as raised:
                async with sql.write() as connection:
                    await connection.execute(people.insert(), [values, values])
            assert "hush" not in "".join(traceback.format_exception(raised.value))

    async def test_an_error_is_translated_within_the_block_too(
        self, sql: Sql, people: sa.Table
    ) -> None:
        await put(sql, people, 1)
        async with sql.write() as connection:
            with pytest.raises(Conflict):
                async with connection.begin_nested():
                    await connection.execute(people.insert().values(id=1, name="again"))
            await connection.execute(people.insert().values(id=2, name="Bob"))
        assert await kept(sql, people) == [1, 2]

    async def test_after_an_error_that_is_swallowed_nothing_is_written(
        self, sql: Sql, people: sa.Table
    ) -> None:
        await put(sql, people, 1)
        with pytest.raises(Conflict):
            async with sql.write() as connection:
                await connection.execute(people.insert().values(id=2, name="Bob"))
                with pytest.raises(Conflict):
                    await connection.execute(people.insert().values(id=1, name="again"))
        assert await kept(sql, people) == [1]

    async def test_a_savepoint_forgives_nothing_from_before_it(
        self, sql: Sql, people: sa.Table
    ) -> None:
        await put(sql, people, 1)
        with pytest.raises(Conflict):
            async with sql.write() as connection:
                with pytest.raises(Conflict):
                    await connection.execute(people.insert().values(id=1, name="again"))
                with pytest.raises((BackendError, KeyError)):
                    async with connection.begin_nested():
                        raise KeyError
        assert await kept(sql, people) == [1]

    @pytest.mark.parametrize("how", ["commit", "rollback"])
    async def test_nothing_but_its_end_ends_a_block(
        self, sql: Sql, people: sa.Table, how: str
    ) -> None:
        with pytest.raises(Refused, match="where its block ends"):
            async with sql.write() as connection:
                await connection.execute(people.insert().values(id=1, name="Ada"))
                await getattr(connection, how)()
        assert await kept(sql, people) == []

    async def test_a_write_within_a_write_is_refused_at_once(
        self, sql: Sql, people: sa.Table
    ) -> None:
        async with sql.write() as connection:
            await connection.execute(people.insert().values(id=1, name="Ada"))
            with pytest.raises(BackendError, match="waits for itself"):
                async with sql.write():
                    pytest.fail("it ran")
        assert await kept(sql, people) == [1]

    async def test_increments_by_many_are_all_counted(self, sql: Sql, people: sa.Table) -> None:
        await put(sql, people, 0)

        async def add() -> None:
            async with sql.write() as connection:
                await connection.execute(people.update().values(friend=None, id=people.c.id + 1))

        for _ in range(10):
            await asyncio.gather(*[add() for _ in range(5)])
        assert await kept(sql, people) == [50]

    async def test_a_block_that_is_cancelled_leaves_nothing(
        self, sql: Sql, people: sa.Table
    ) -> None:
        inside = asyncio.Event()

        async def write() -> None:
            async with sql.write() as connection:
                await connection.execute(people.insert().values(id=1, name="Ada"))
                inside.set()
                await asyncio.Event().wait()

        await cancelled(write(), inside)
        assert await kept(sql, people) == []
        await put(sql, people, 1)
        assert sql.pool().in_use == 0

    async def test_a_statement_that_is_cancelled_is_stopped(
        self, sql: Sql, people: sa.Table
    ) -> None:
        async def write() -> None:
            async with sql.write() as connection:
                await connection.execute(people.insert().values(id=1, name="Ada"))
                inside.set()
                await connection.exec_driver_sql(BOMB)

        for _ in range(sql.pool().size + 1):
            inside = asyncio.Event()
            await cancelled(write(), inside)
        assert await kept(sql, people) == []
        await put(sql, people, 1)
        assert sql.pool().in_use == 0

    async def test_cancelling_at_any_moment_leaks_no_connection(
        self, sql: Sql, people: sa.Table
    ) -> None:
        async def write(number: int) -> None:
            async with sql.write() as connection:
                await connection.execute(people.insert().values(id=number, name=str(number)))

        for number in range(60):
            task = asyncio.create_task(write(number))
            for _ in range(number):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await free(sql)
        await put(sql, people, 1000)

    async def test_who_finds_no_free_connection_waits_a_bounded_time(self, sql: Sql) -> None:
        async with AsyncExitStack() as stack:
            with pytest.raises(BackendUnavailable):
                for _ in range(sql.pool().size + 1):
                    await stack.enter_async_context(sql.read())
        await sql.check()

    async def test_the_pool_is_counted(self, sql: Sql) -> None:
        async with AsyncExitStack() as stack:
            async with sql.write():
                assert sql.pool().in_use == 1
            with pytest.raises(BackendUnavailable):
                for _ in range(sql.pool().size + 1):
                    await stack.enter_async_context(sql.read())
            waiting = asyncio.create_task(sql.check())
            await asyncio.sleep(0)
            assert sql.pool().waiting == 1
            assert 1 <= sql.pool().in_use <= sql.pool().size
        await waiting
        assert sql.pool()[1:] == (0, 0)

    async def test_only_one_is_in_an_exclusive_block(self, sql: Sql) -> None:
        within = most = 0

        async def enter() -> None:
            nonlocal within, most
            async with sql.exclusive() as connection:
                within, most = within + 1, max(most, within + 1)
                await connection.exec_driver_sql("SELECT 1")
                await asyncio.sleep(0.01)
                within -= 1

        await asyncio.gather(*[enter() for _ in range(4)])
        assert most == 1

    async def test_it_is_well(self, sql: Sql) -> None:
        await sql.check()

    async def test_after_close_every_call_is_an_error(self, sql: Sql, people: sa.Table) -> None:
        await sql.close()
        await sql.close()
        for call in (sql.check(), kept(sql, people), put(sql, people, 1)):
            with pytest.raises(BackendError):
                await call

    async def test_closing_waits_for_who_is_within(self, sql: Sql, people: sa.Table) -> None:
        async with sql.write() as connection:
            closing = asyncio.create_task(sql.close())
            await asyncio.sleep(0.05)
            assert not closing.done()
            await connection.execute(people.insert().values(id=1, name="Ada"))
        await closing


async def put(sql: Sql, table: sa.Table, number: int) -> None:
    async with sql.write() as connection:
        await connection.execute(table.insert().values(id=number, name=str(number)))


async def ids(connection: AsyncConnection, table: sa.Table) -> list[int]:
    first = next(iter(table.c))
    return list((await connection.execute(sa.select(first).order_by(first))).scalars())


async def kept(sql: Sql, table: sa.Table) -> list[int]:
    async with sql.read() as view:
        return await ids(view, table)


async def cancelled(work: object, inside: asyncio.Event) -> None:
    """Runs `work` until it is inside, lets it get on with it, and cancels it."""
    assert asyncio.iscoroutine(work)
    task = asyncio.create_task(work)
    await inside.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def free(sql: Sql) -> None:
    async with asyncio.timeout(10):
        while sql.pool().in_use:  # noqa: ASYNC110 - a pool tells by its count alone
            await asyncio.sleep(0.01)
