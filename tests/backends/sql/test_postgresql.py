# ruff: noqa: PT012 - a block raises where it ends, so it is what raises
"""PostgreSQL does what the contract says, and what its sessions and locks do to us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from backends.errors import BackendUnavailable, Refused
from backends.sql import DRIVERS, Contended, Sql
from tests.conformance.sql import SqlContract
from tests.conformance.sql_load import SqlLoadContract
from tests.conformance.sql_migrations import SqlMigrationsContract
from tests.engines.postgres import Postgres

WRITTEN = sa.Table("written", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True))


@pytest.fixture
async def sql(postgres_url: str) -> AsyncIterator[Sql]:
    sql = DRIVERS.open(f"{postgres_url}?wait=1s&pool=4")
    yield sql
    await sql.close()


@pytest.fixture
async def hasty(postgres_url: str) -> AsyncIterator[Sql]:
    sql = DRIVERS.open(f"{postgres_url}?timeout=500ms")
    async with sql.write() as connection:
        await connection.run_sync(WRITTEN.create)
    yield sql
    await sql.close()


class TestPostgresql(SqlContract):
    pass


class TestPostgresqlLoad(SqlLoadContract):
    pass


class TestPostgresqlMigrations(SqlMigrationsContract):
    pass


async def numbers(sql: Sql) -> list[int]:
    async with sql.read() as view:
        return list((await view.execute(sa.select(WRITTEN))).scalars())


async def test_connections_cut_while_idle_are_replaced_without_an_error(
    postgres: Postgres, postgres_url: str, hasty: Sql
) -> None:
    await hasty.check()
    await asyncio.to_thread(cut, postgres, postgres_url)
    await asyncio.sleep(0.05)
    for _ in range(5):
        await hasty.check()


async def test_a_connection_cut_within_a_block_fails_that_block_alone(
    postgres: Postgres, postgres_url: str, hasty: Sql
) -> None:
    with pytest.raises(BackendUnavailable):
        async with hasty.write() as connection:
            await connection.execute(WRITTEN.insert().values(number=1))
            await asyncio.to_thread(cut, postgres, postgres_url)
            await asyncio.sleep(0.05)
    assert await numbers(hasty) == []


def cut(engine: Postgres, url: str) -> None:
    engine.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{url.rpartition('/')[2]}'"
    )


async def test_a_statement_takes_a_bounded_time(hasty: Sql) -> None:
    with pytest.raises(BackendUnavailable, match="longer than its timeout"):
        async with hasty.write() as connection:
            await connection.exec_driver_sql("SELECT pg_sleep(60)")
    await hasty.check()


async def test_a_block_that_idles_is_ended_by_the_server(hasty: Sql) -> None:
    with pytest.raises(BackendUnavailable):
        async with hasty.write() as connection:
            await connection.execute(WRITTEN.insert().values(number=1))
            await asyncio.sleep(0.8)
    assert await numbers(hasty) == []


async def test_of_two_who_wait_for_each_other_one_is_told_to_try_again(sql: Sql) -> None:
    async with sql.write() as connection:
        await connection.run_sync(WRITTEN.create)
    await sql.load(WRITTEN, ["number"], [(1,), (2,)])
    both = asyncio.Barrier(2)

    async def lock(*order: int) -> None:
        async with sql.write() as connection:
            for number in order:
                one = sa.select(WRITTEN).where(WRITTEN.c.number == number).with_for_update()
                await connection.execute(one)
                if number == order[0]:
                    await both.wait()

    said = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert sorted(map(type, said), key=str) == sorted([Contended, type(None)], key=str)


async def test_out_of_connections_is_unavailable(postgres: Postgres, postgres_url: str) -> None:
    role = "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 1"
    await asyncio.to_thread(postgres.execute, role)
    sql = DRIVERS.open(postgres_url.replace("user:password", "few:few"))
    async with sql.read() as first:
        await first.exec_driver_sql("SELECT 1")
        with pytest.raises(BackendUnavailable, match="out of a resource"):
            await sql.check()
    await sql.check()
    with pytest.raises(Refused, match="permission denied"):
        async with sql.write() as connection:
            await connection.run_sync(WRITTEN.create)
    await sql.close()


async def test_a_table_changed_by_another_is_found_out_by_trying_again(sql: Sql) -> None:
    everything = "SELECT * FROM changing"
    async with sql.write() as connection:
        await connection.exec_driver_sql("CREATE TABLE changing (a integer)")
    async with sql.read() as first, sql.write() as second:
        await first.exec_driver_sql(everything)
        await second.exec_driver_sql("SELECT 1")
    async with sql.write() as connection:
        await connection.exec_driver_sql("ALTER TABLE changing ALTER a TYPE text")
    async with asyncio.timeout(5):
        while True:
            try:
                async with sql.read() as view:
                    await view.exec_driver_sql(everything)
            except Contended:
                continue
            return
