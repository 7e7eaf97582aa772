"""What every driver of `Sql` must do with many rows at once. As `SqlContract`."""

# ruff: noqa: PT012 - a block raises where it ends, so it is what raises

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count as counter
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from backends.errors import BackendError, Conflict, Refused
from backends.sql import Sql

names = counter()


class SqlLoadContract:
    """Fixture to give: `sql`, a driver of an empty database."""

    @pytest.fixture
    async def things(self, sql: Sql) -> sa.Table:
        table = sa.Table(
            f"Some things {next(names)}",
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("a label", sa.String, key="label"),
            sa.Column("raw", sa.LargeBinary),
            sa.Column("share", sa.Float),
            sa.Column("day", sa.Date),
            sa.Column("at", sa.DateTime),
            sa.Column("facts", sa.JSON),
            sa.Column("uid", sa.Uuid),
            sa.Column("sure", sa.Boolean),
        )
        async with sql.write() as connection:
            await connection.run_sync(table.create)
        return table

    async def test_rows_come_back_as_they_went_in(self, sql: Sql, things: sa.Table) -> None:
        start = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC).replace(tzinfo=None)
        rows: list[tuple[Any, ...]] = [
            (
                i,
                f"l\u00e4bel {i}",
                bytes([i % 256]) * 9,
                i / 3,
                date(2026, 1, 1) + timedelta(days=i % 300),
                start + timedelta(seconds=i),
                {"n": i, "all": [1, None, "x"]},
                UUID(int=i),
                i % 2 == 0,
            )
            for i in range(2500)
        ]
        rows.append((9999, *[None] * 5, None, None, None))
        assert await sql.load(things, list(things.c.keys()), rows) == 2501
        assert await all_rows(sql, things) == rows

    async def test_columns_are_named_by_key_in_any_order(self, sql: Sql, things: sa.Table) -> None:
        assert await sql.load(things, ["label", "id"], [("x", 1)]) == 1
        assert [row[:2] for row in await all_rows(sql, things)] == [(1, "x")]

    async def test_rows_may_come_by_and_by(self, sql: Sql, things: sa.Table) -> None:
        async def rows() -> AsyncIterator[tuple[int]]:
            for number in range(1500):
                if number % 500 == 0:
                    await asyncio.sleep(0.001)
                yield (number,)

        assert await sql.load(things, ["id"], rows()) == 1500

    async def test_nothing_is_loaded_of_no_rows(self, sql: Sql, things: sa.Table) -> None:
        assert await sql.load(things, ["id"], []) == 0

    async def test_rows_that_are_there_already_are_a_conflict_and_none_is_added(
        self, sql: Sql, things: sa.Table
    ) -> None:
        await sql.load(things, ["id"], [(2400,)])
        with pytest.raises(Conflict):
            await sql.load(things, ["id"], ((i,) for i in range(2500)))
        assert len(await all_rows(sql, things)) == 1

    @pytest.mark.parametrize("row", [(1,), (1, "x", 3), (object(), "x")])
    async def test_a_row_that_does_not_fit_is_refused_and_none_is_added(
        self, sql: Sql, things: sa.Table, row: tuple[Any, ...]
    ) -> None:
        with pytest.raises(Refused):
            await sql.load(things, ["id", "label"], [(7, "y"), row])
        assert await all_rows(sql, things) == []

    @pytest.mark.parametrize("columns", [[], ["nothing"], ["id", "id"]])
    async def test_columns_that_are_not_there_are_refused(
        self, sql: Sql, things: sa.Table, columns: list[str]
    ) -> None:
        with pytest.raises(Refused):
            await sql.load(things, columns, [(1,) * len(columns)])

    async def test_a_source_that_fails_adds_nothing(self, sql: Sql, things: sa.Table) -> None:
        def rows() -> Iterator[tuple[int]]:
            yield from ((i,) for i in range(1200))
            raise KeyError("the source")

        with pytest.raises(KeyError, match="the source"):
            await sql.load(things, ["id"], rows())
        assert await all_rows(sql, things) == []

    async def test_it_may_be_part_of_a_block(self, sql: Sql, things: sa.Table) -> None:
        await sql.load(things, ["id"], [(1,)])
        async with sql.write() as connection:
            await connection.execute(things.delete())
            await sql.load(things, ["id"], [(2,), (3,)], within=connection)
        assert [row[0] for row in await all_rows(sql, things)] == [2, 3]

    async def test_first_in_a_block_it_goes_with_the_block(
        self, sql: Sql, things: sa.Table
    ) -> None:
        with pytest.raises(KeyError):
            async with sql.write() as connection:
                await sql.load(things, ["id"], [(2,), (3,)], within=connection)
                raise KeyError
        assert await all_rows(sql, things) == []

    async def test_failed_and_swallowed_it_fails_the_block(
        self, sql: Sql, things: sa.Table
    ) -> None:
        with pytest.raises(Conflict):
            async with sql.write() as connection:
                with pytest.raises(Conflict):
                    await sql.load(things, ["id"], [(2,), (2,)], within=connection)
        assert await all_rows(sql, things) == []

    async def test_cancelled_it_adds_nothing(self, sql: Sql, things: sa.Table) -> None:
        under_way = asyncio.Event()

        async def rows() -> AsyncIterator[tuple[int]]:
            for number in range(1 << 30):
                if number == 5000:
                    under_way.set()
                yield (number,)

        task = asyncio.create_task(sql.load(things, ["id"], rows()))
        await under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await all_rows(sql, things) == []
        await sql.load(things, ["id"], [(1,)])

    async def test_the_event_loop_goes_on_meanwhile(self, sql: Sql, things: sa.Table) -> None:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(turn())
        await sql.load(things, ["id", "label"], ((i, "x" * 50) for i in range(20_000)))
        other.cancel()
        assert turns >= 20

    async def test_no_error_tells_a_value(self, sql: Sql, things: sa.Table) -> None:
        for row in [("hush", "x"), (1, "hush", 3), (1 << 70, "hush")]:
            with pytest.raises(BackendError) as raised:
                await sql.load(things, ["id", "label"], [row])
            assert "hush" not in str(raised.value)


async def all_rows(sql: Sql, table: sa.Table) -> list[tuple[Any, ...]]:
    async with sql.read() as view:
        return [tuple(row) for row in await view.execute(sa.select(table).order_by(table.c.id))]
