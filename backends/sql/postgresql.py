"""PostgreSQL by asyncpg."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal
from uuid import uuid4
from weakref import WeakSet

import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from backends.address import Address, seconds
from backends.errors import BackendError, BackendUnavailable
from backends.sql import Contended, Rows
from backends.sql.batches import batches, bound, chosen
from backends.sql.lane import Lane
from backends.sql.postgresql_errors import said
from backends.sql.transactions import Said, Transactions

PORT = 5432
EXCLUSIVE_WAIT, EXCLUSIVE_TIMEOUT = 600.0, 3600.0
EXCLUSIVE_KEY = 0x6169745F67617465
"""Of the advisory lock: `ait_gate`."""
GRACE = 1.0
"""Seconds by which the server's own timeout comes before ours."""


class Options(msgspec.Struct, frozen=True):
    pool: int = 10
    wait: str = "5s"
    connect: str = "5s"
    timeout: str = "30s"
    statements: int = 100
    socket: str | None = None


class Settings(msgspec.Struct, frozen=True):
    """Seconds, and counts of connections and of prepared statements a connection."""

    pool: int
    wait: float
    connect: float
    timeout: float
    statements: int


def open_postgresql(url: str) -> PostgresqlSql:
    """Raises BackendError."""
    address = Address.parse("sql", url, port=PORT)
    options = address.options(Options)
    if not address.path or bool(address.hosts) == bool(options.socket):
        raise BackendError("sql: postgresql:// needs a database, and hosts or a socket's folder")
    if not 1 <= options.pool <= 1000 or options.statements < 0:
        raise BackendError("sql: pool is between 1 and 1000, statements at least 0")
    try:
        wait, connect, timeout = map(seconds, (options.wait, options.connect, options.timeout))
    except ValueError:
        raise BackendError("sql: wait, connect and timeout are durations such as 5s") from None
    settings = Settings(options.pool, wait, connect, timeout, options.statements)
    return PostgresqlSql(address, settings, options.socket)


class PostgresqlSql(Transactions):
    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, address: Address, settings: Settings, socket: str | None = None) -> None:
        lane = Lane(settings.pool, settings.wait)
        super().__init__(lane, lane)
        self._address, self._settings, self._socket = address, settings, socket
        self._links: WeakSet[asyncpg.Connection] = WeakSet()
        self._context: ssl.SSLContext | None = None
        self._engine = self._opened()
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._block(self._reading, self._readers)

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._write(self._engine)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[AsyncConnection]:
        settings = msgspec.structs.replace(self._settings, pool=1, timeout=EXCLUSIVE_TIMEOUT)
        alone = PostgresqlSql(self._address, settings, self._socket)
        try:
            async with alone.write() as connection:
                await _take_turn(connection)
                yield connection
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
        names = [column.name for column in into]
        await within.exec_driver_sql("SELECT 1")  # begins the transaction, if nothing has
        link = (await within.get_raw_connection()).driver_connection
        assert link is not None
        count = 0
        async for batch in batches(rows, len(into)):
            try:
                await link.copy_records_to_table(
                    table.name,
                    schema_name=table.schema,
                    columns=names,
                    records=bound(into, within.dialect, batch),
                    timeout=self._settings.timeout + GRACE,
                )
            except Exception as error:  # noqa: BLE001 - translated
                self._raise(error, within)
            count += len(batch)
        return count

    async def check(self) -> None:
        try:
            async with asyncio.timeout(self._settings.connect), self.read() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except TimeoutError:
            raise BackendUnavailable("sql: PostgreSQL did not answer in time") from None

    async def _disconnect(self) -> None:
        try:
            async with asyncio.timeout(GRACE):
                await self._engine.dispose()
        except TimeoutError:
            for link in self._links:
                link.terminate()

    async def _begun(self, connection: AsyncConnection) -> None:
        """asyncpg begins with the first statement."""

    def _said(self, error: BaseException) -> Said:
        return said(error)

    def _opened(self) -> AsyncEngine:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            connect_args={"async_creator_fn": self._connect, **self._prepared()},
            pool_size=self._settings.pool,
            max_overflow=0,
            hide_parameters=True,
        )
        self._watch(engine)
        event.listen(engine.sync_engine, "checkout", _still_open)
        return engine

    def _prepared(self) -> dict[str, Any]:
        """Behind PgBouncer another client's statement may have the name that we would choose."""
        count = self._settings.statements
        named = {} if count else {"prepared_statement_name_func": lambda: f"_{uuid4().hex}"}
        return {"prepared_statement_cache_size": count, **named}

    async def _connect(self) -> asyncpg.Connection:
        try:
            link = await self._connected()
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - translated
            raise said(error).error from None
        self._links.add(link)
        return link

    async def _connected(self) -> asyncpg.Connection:
        address, settings = self._address, self._settings
        if address.tls and self._context is None:
            self._context = await asyncio.to_thread(address.tls.context)
        server = {"application_name": "ait-gateway"}
        if settings.statements:  # PgBouncer, which knows no others
            limit = str(round(settings.timeout * 1000))
            server |= {"statement_timeout": limit, "idle_in_transaction_session_timeout": limit}
        cached = {} if settings.statements else {"statement_cache_size": 0}
        return await asyncpg.connect(
            host=[host.name for host in address.hosts] or self._socket,
            port=[host.port for host in address.hosts] or PORT,
            user=address.username,
            password=address.password,
            database=address.path,
            timeout=settings.connect,
            command_timeout=settings.timeout + GRACE,
            ssl=self._context or False,
            target_session_attrs="read-write" if len(address.hosts) > 1 else "any",
            server_settings=server,
            **cached,
        )


def _still_open(adapted: Any, _record: object, _proxy: object) -> None:
    """One that the server closed meanwhile is replaced, at no cost to the others."""
    if adapted.driver_connection.is_closed():
        raise exc.DisconnectionError


async def _take_turn(connection: AsyncConnection) -> None:
    """The lock goes with the transaction."""
    wait = f"SET LOCAL lock_timeout = '{EXCLUSIVE_WAIT:g}s'"
    await connection.exec_driver_sql(wait)
    try:
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({EXCLUSIVE_KEY})")
    except Contended:
        raise BackendUnavailable("sql: another process has been migrating for too long") from None
