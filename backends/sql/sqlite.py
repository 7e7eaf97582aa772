"""SQLite: one file, a write-ahead log, one writer over all processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from backends.address import Address, seconds
from backends.errors import BackendError, Refused
from backends.sql import Rows
from backends.sql.batches import Batch, batches, bound, chosen
from backends.sql.lane import Lane
from backends.sql.sqlite_errors import said
from backends.sql.sqlite_link import Kind, Link
from backends.sql.transactions import Said, Transactions

EXCLUSIVE_WAIT, EXCLUSIVE_TIMEOUT = 600.0, 3600.0


class Options(msgspec.Struct, frozen=True):
    pool: int = 4
    wait: str = "5s"
    timeout: str = "30s"
    synchronous: Literal["full", "normal"] = "full"


def open_sqlite(url: str) -> SqliteSql:
    """Raises BackendError."""
    address = Address.parse("sql", url)
    options = address.options(Options)
    if address.hosts or address.username or address.tls:
        raise BackendError("sql: it is sqlite:///relative/path or sqlite:////absolute/path")
    if not address.path or ":memory:" in address.path:
        raise BackendError("sql: sqlite:/// needs a file; there is no database in memory")
    if not 1 <= options.pool <= 64:
        raise BackendError("sql: pool is between 1 and 64 in a sqlite:// URL")
    try:
        wait, timeout = seconds(options.wait), seconds(options.timeout)
    except ValueError:
        raise BackendError("sql: wait and timeout are durations such as 500ms or 5s") from None
    return SqliteSql(Kind(Path(address.path), wait, timeout, options.synchronous), options.pool)


class SqliteSql(Transactions):
    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, kind: Kind, readers: int) -> None:
        super().__init__(Lane(readers, kind.wait), Lane(1, kind.wait))
        self._kind = kind
        self._reading = self._engine(kind._replace(writes=False), readers)
        self._written = self._engine(kind, 1)

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._block(self._reading, self._readers)

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._write(self._written)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[AsyncConnection]:
        kind = self._kind._replace(
            wait=EXCLUSIVE_WAIT, timeout=EXCLUSIVE_TIMEOUT, foreign_keys=False
        )
        alone = SqliteSql(kind, 1)
        try:
            async with alone.write() as connection:
                await connection.exec_driver_sql("SELECT 1")  # begins the transaction
                yield connection
                await _orphans(connection)
        finally:
            await alone.close()

    async def load(
        self,
        table: sa.Table,
        columns: Sequence[str],
        rows: Rows,
        *,
        within: AsyncConnection | None = None,
    ) -> int:
        if within is None:
            async with self.write() as connection:
                return await self.load(table, columns, rows, within=connection)
        into = chosen(table, columns)
        link = _link(within)
        preparer = within.dialect.identifier_preparer
        names = ", ".join(preparer.format_column(column) for column in into)
        marks = ", ".join("?" * len(into))
        sql = f"INSERT INTO {preparer.format_table(table)} ({names}) VALUES ({marks})"  # noqa: S608 - quoted by the preparer

        def insert(batch: Batch) -> None:
            link._conn.executemany(sql, bound(into, within.dialect, batch)).close()

        count = 0
        async for batch in batches(rows, len(into)):
            try:
                await link.within(insert, batch)
            except Exception as error:  # noqa: BLE001 - translated
                self._raise(error, within)
            count += len(batch)
        return count

    async def check(self) -> None:
        async with self.read() as connection:
            await connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema")

    async def _disconnect(self) -> None:
        for engine in (self._reading, self._written):
            await engine.dispose()

    def _engine(self, kind: Kind, size: int) -> AsyncEngine:
        async def connect() -> Link:
            try:
                return await Link.open(kind)
            except BackendError:
                raise
            except Exception as error:  # noqa: BLE001 - translated
                raise said(error).error from None

        engine = create_async_engine(
            "sqlite+aiosqlite:///file",
            async_creator=connect,
            pool_size=size,
            max_overflow=0,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
        self._watch(engine)
        return engine

    async def _begun(self, connection: AsyncConnection) -> None:
        """SQLite begins with the first statement, as asyncpg does."""
        writes = connection.engine is self._written
        _link(connection).begins = "BEGIN IMMEDIATE" if writes else "BEGIN"

    def _said(self, error: BaseException) -> Said:
        return said(error)


def _link(connection: AsyncConnection) -> Link:
    assert connection.sync_connection is not None
    link = connection.sync_connection.connection.driver_connection
    assert isinstance(link, Link)
    return link


async def _orphans(connection: AsyncConnection) -> None:
    found = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).mappings().first()
    if found is not None:
        raise Refused(f"sql: rows of {found['table']} would lose their row of {found['parent']}")
