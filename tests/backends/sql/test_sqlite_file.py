# ruff: noqa: PT012 - a block raises where it ends, so it is what raises
"""What a file, its folder and its URL can do to SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.sql import DRIVERS, Sql
from tests.conformance.sql import BOMB

SERIES = sa.text(
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT i FROM n"
)
MAKE = "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.db"


def opened(file: Path, options: str = "") -> Sql:
    return DRIVERS.open(f"sqlite:///{file}{options}")


async def run(sql: Sql, statement: str) -> None:
    async with sql.write() as connection:
        await connection.exec_driver_sql(statement)


@pytest.fixture
def garbage(file: Path) -> Path:
    file.write_bytes(b"not a database, by far" * 100)
    return file


@pytest.fixture
def held(file: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection that is writing."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("CREATE TABLE theirs (a)")
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


class TestUrl:
    async def test_may_be_relative(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        sql = DRIVERS.open("sqlite:///data/gateway.db")
        await sql.check()
        await sql.close()
        assert (tmp_path / "data" / "gateway.db").exists()

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite://data/gateway.db",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///x.db?pool=0",
            "sqlite:///x.db?pool=many",
            "sqlite:///x.db?wait=soon",
            "sqlite:///x.db?synchronous=off",
            "sqlite:///x.db?tls=true",
            "sqlite:///x.db?depth=3",
        ],
    )
    def test_that_cannot_be_meant_is_refused(self, url: str) -> None:
        with pytest.raises(BackendError, match="sql: "):
            DRIVERS.open(url)

    def test_opens_nothing_by_itself(self, file: Path) -> None:
        opened(file)
        assert not file.exists()


class TestFile:
    async def test_is_for_its_owner_alone(self, file: Path) -> None:
        sql = opened(file)
        await run(sql, MAKE)
        for path in (file, file.with_name("t.db-wal")):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await sql.close()

    async def test_that_is_no_database_is_refused(self, garbage: Path) -> None:
        sql = opened(garbage)
        for call in (sql.check(), run(sql, MAKE)):
            with pytest.raises(Refused, match="not a SQLite database"):
                await call
        await sql.close()

    async def test_in_a_folder_that_is_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "folder").write_text("")
        sql = opened(tmp_path / "folder" / "t.db")
        with pytest.raises(Refused, match="cannot be made"):
            await sql.check()
        await sql.close()

    async def test_that_is_a_folder_is_refused(self, tmp_path: Path) -> None:
        sql = opened(tmp_path)
        with pytest.raises(Refused, match="cannot be opened"):
            await sql.check()
        await sql.close()

    async def test_that_is_full_refuses_and_serves_on(self, file: Path) -> None:
        sql = opened(file)
        await run(sql, MAKE)
        with pytest.raises(Refused, match="full"):
            async with sql.write() as connection:
                await connection.exec_driver_sql("PRAGMA max_page_count=20")
                await connection.exec_driver_sql("INSERT INTO t VALUES (1, zeroblob(9999999))")
        await run(sql, "INSERT INTO t VALUES (2, 'small')")
        async with sql.read() as view:
            found = await view.exec_driver_sql("SELECT a FROM t")
            assert list(found.scalars()) == [2]
        await sql.close()

    @pytest.mark.parametrize(("chosen", "level"), [("full", 2), ("normal", 1)])
    async def test_is_synchronised_as_told(self, file: Path, chosen: str, level: int) -> None:
        sql = opened(file, f"?synchronous={chosen}")
        async with sql.write() as connection:
            found = await connection.exec_driver_sql("PRAGMA synchronous")
            assert found.scalar_one() == level
        await sql.close()

    async def test_after_close_no_thread_and_no_log_is_left(self, file: Path) -> None:
        sql = opened(file)
        await run(sql, MAKE)
        await sql.check()
        await sql.close()
        assert [path.name for path in file.parent.iterdir()] == ["t.db"]


class TestAnotherWriter:
    async def test_is_waited_for(self, file: Path, held: sqlite3.Connection) -> None:
        sql = opened(file)
        writing = asyncio.create_task(run(sql, MAKE))
        await asyncio.sleep(0.1)
        assert not writing.done()
        await sql.check()
        held.execute("COMMIT")
        await writing
        await sql.close()

    async def test_is_waited_for_a_bounded_time(self, file: Path, held: sqlite3.Connection) -> None:
        sql = opened(file, "?wait=200ms")
        with pytest.raises(BackendUnavailable, match="another process"):
            await run(sql, MAKE)
        assert sql.pool().in_use == 0
        held.execute("COMMIT")
        await run(sql, MAKE)
        await sql.close()

    async def test_waiting_for_it_can_be_cancelled(
        self, file: Path, held: sqlite3.Connection
    ) -> None:
        sql = opened(file, "?wait=1h")
        writing = asyncio.create_task(run(sql, MAKE))
        await asyncio.sleep(0.05)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        held.execute("COMMIT")
        await run(sql, MAKE)
        await sql.close()


async def test_a_statement_takes_a_bounded_time(file: Path) -> None:
    sql = opened(file, "?timeout=200ms")
    await run(sql, MAKE)
    for block in (sql.read, sql.write):
        with pytest.raises(BackendUnavailable, match="longer than its timeout"):
            async with block() as connection:
                await connection.exec_driver_sql(BOMB)
    await run(sql, "INSERT INTO t VALUES (2, 'small')")
    await sql.close()


async def test_a_view_left_half_read_is_free_again(file: Path) -> None:
    sql = opened(file, "?pool=1")
    await run(sql, MAKE)
    await run(sql, "INSERT INTO t SELECT value, 'x' FROM json_each('[1,2,3]')")
    for _ in range(3):
        async with sql.read() as view:
            rows = await view.stream(SERIES)
            assert (await rows.first()) == (0,)
        async with sql.read() as view:
            rows = await view.stream(SERIES)
            assert (await anext(aiter(rows))) == (0,)
    await run(sql, "DROP TABLE t")
    await sql.close()
