"""A few connections to PostgreSQL, and one that listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from backends.address import Address
from backends.errors import BackendError, BackendUnavailable, Refused
from backends.jobs import postgres_schema as sql

CHANNEL = "gateway_jobs"
MOST_WAITING = 10_000
TRIES = 3
GONE = ("08", "57", "53", "25006", "55")  # connection, shutdown, resources, a standby, locks

T = TypeVar("T")
Connection = Any  # of asyncpg, which has no types
Step = Callable[[Connection], Awaitable[T]]


class PostgresLink:
    """timeout: seconds for a call, connecting and its turn included."""

    def __init__(self, address: Address, timeout: float, connections: int) -> None:
        self._address = address
        self._timeout = timeout
        self._most = connections
        self._pool: Any = None
        self._listener: Connection | None = None
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._come: dict[str, asyncio.Event] = {}
        self._closed = False

    async def run(self, step: Step[T]) -> T:
        """Again when it lost a deadlock. Raises BackendUnavailable and Refused."""
        if self._waiting >= MOST_WAITING:
            raise BackendUnavailable(f"jobs: too many wait for {self._address}")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout):
                for _ in range(TRIES - 1):
                    try:
                        return await self._translated(step)
                    except _Again:
                        continue
                return await self._translated(step)
        except TimeoutError:
            said = f"jobs: {self._address}: no answer in {self._timeout:g} s"
            raise BackendUnavailable(said) from None
        finally:
            self._waiting -= 1

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        return await self.run(lambda connection: connection.fetch(statement, *values))

    def come(self, queue: str) -> asyncio.Event:
        """Set whenever somebody has told of the queue."""
        return self._come.setdefault(queue, asyncio.Event())

    async def listen(self) -> None:
        """Unless it does already."""
        if self._listener is None or self._listener.is_closed():
            await self.run(lambda _: self._listen())

    async def _listen(self) -> None:
        async with self._lock:
            if self._listener is None or self._listener.is_closed():
                listener = await asyncpg.connect(**self._about())
                try:
                    await listener.add_listener(CHANNEL, self._told)
                except BaseException:
                    listener.terminate()
                    raise
                self._listener = listener

    def _told(self, _connection: Any, _pid: int, _channel: str, queue: str) -> None:
        if come := self._come.get(queue):
            come.set()

    async def close(self) -> None:
        self._closed = True
        listener, self._listener = self._listener, None
        pool, self._pool = self._pool, None
        if listener is not None:
            listener.terminate()
        if pool is not None:
            try:
                async with asyncio.timeout(1.0):
                    await pool.close()
            except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                pool.terminate()

    async def _translated(self, step: Step[T]) -> T:
        if self._closed:
            raise BackendError("jobs: the store is closed")
        try:
            return await self._once(step)
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            raise _Again(f"jobs: {self._address}: deadlock") from None
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - asyncpg raises what is neither of its kinds
            raise self._translation(error) from None

    async def _once(self, step: Step[T]) -> T:
        pool = self._pool or await self._connected()
        connection = await pool.acquire()
        try:
            return await step(connection)
        except BaseException as error:
            # Given up, or broken. To cancel a statement would be one more thing to wait for, and
            # asyncpg keeps a connection that was told of a shutdown, though nothing works on it.
            if not isinstance(error, asyncpg.PostgresError) or _is_gone(error.sqlstate):
                connection.terminate()
            raise
        finally:
            await pool.release(connection)

    async def _connected(self) -> Any:
        async with self._lock:
            if self._pool is None:
                pool = await asyncpg.create_pool(
                    min_size=0,
                    max_size=self._most,
                    max_inactive_connection_lifetime=60.0,
                    reset=_as_it_is,
                    **self._about(),
                )
                try:
                    async with pool.acquire() as connection:
                        await _schema(connection)
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
        return self._pool

    def _about(self) -> dict[str, Any]:
        address = self._address
        tls = address.tls
        return {
            "host": [host.name for host in address.hosts],
            "port": [host.port for host in address.hosts],
            "user": address.username,
            "password": address.password,
            "database": address.path or None,
            "ssl": tls.context() if tls else False,
            "timeout": self._timeout,
            "server_settings": {"application_name": "ait-gateway jobs"},
        }

    def _translation(self, error: Exception) -> BackendError:
        """Not the server's own text, which may repeat values."""
        code = getattr(error, "sqlstate", None)
        if _is_gone(code):
            said = code or getattr(error, "strerror", None) or type(error).__name__
            return BackendUnavailable(f"jobs: {self._address}: {said}")
        return Refused(f"jobs: {self._address} refused: {type(error).__name__} {code}")


def _is_gone(code: str | None) -> bool:
    return code is None or code.startswith(GONE)


class _Again(BackendUnavailable):
    """Nothing was done: two calls stood in each other's way."""


async def _as_it_is(_: Connection) -> None:
    """No statement leaves anything behind in its session, so none need be sent to undo it."""


async def _schema(connection: Connection) -> None:
    if not await connection.fetchval(sql.THERE):
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", sql.LOCK)
            await connection.execute(sql.SCHEMA)
