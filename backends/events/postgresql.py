"""Events by PostgreSQL's NOTIFY and LISTEN, at most once."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import msgspec

from backends.address import Address, seconds
from backends.errors import BackendError, BackendUnavailable, Refused
from backends.events import Event, Lagged
from backends.events.hub import Queue
from backends.events.tap import HEARTBEAT, Tap
from backends.events.topics import check_event

T = TypeVar("T")

PORT = 5432
CHANNEL = "ait_gateway_events"
LONGEST_PAYLOAD = 7900
"""Bytes; PostgreSQL takes fewer than 8000."""

MOST_UNREAD = 10_000
LARGE = """
CREATE UNLOGGED TABLE IF NOT EXISTS ait_gateway_large_events (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made timestamptz NOT NULL DEFAULT now(), body bytea NOT NULL)
"""
LOCK = 0x6169745F65766E74
# The last one is what asyncpg raises on a connection whose server was killed.
ASYNCPG = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
REFUSED = ("28", "3D", "42", "53100", "22")


class Options(msgspec.Struct):
    pool: int = 4
    timeout: str = "5s"
    queue: int = 1000
    queue_bytes: str = "16MiB"


def open_postgresql(url: str) -> PostgresqlEvents:
    address = Address.parse("events", url, port=PORT)
    options = address.options(Options)
    try:
        timeout = seconds(options.timeout)
    except ValueError:
        timeout = 0
    if len(address.hosts) != 1 or not 0 < timeout <= 600 or not 1 <= options.pool <= 100:
        raise BackendError(
            "events: expected postgresql://user:password@host/db, timeout as 5s, pool from 1 to 100"
        )
    queue = Queue.of(address, options.queue, options.queue_bytes)
    return PostgresqlEvents(address, options.pool, timeout, queue)


class PostgresqlEvents:
    """What is too large for a NOTIFY goes through an unlogged table, which the one who publishes
    such rids of what is older than five minutes.
    """

    def __init__(self, address: Address, pool: int, timeout: float, queue: Queue) -> None:
        self._where = f"events: {address}"
        self._size = pool
        self._timeout = timeout
        self._settings: dict[str, Any] = {
            "host": address.hosts[0].name,
            "port": address.hosts[0].port,
            "user": address.username,
            "password": address.password,
            "database": address.path or None,
            "ssl": address.tls.context() if address.tls is not None else False,
            "timeout": timeout,
        }
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self._has_table = False
        self._tap = PostgresqlTap(self._where, timeout, queue, self)

    async def check(self) -> None:
        await self.run(lambda connection: connection.fetchval("SELECT 1"))

    async def close(self) -> None:
        await self._tap.close()
        if self._pool is not None:
            self._pool.terminate()

    async def publish(self, topic: str, body: bytes) -> None:
        check_event(topic, body)
        payload = f"{topic} {b64encode(body).decode()}"
        if len(payload.encode()) <= LONGEST_PAYLOAD:
            await self.run(lambda connection: _notify(connection, payload))
        else:
            await self.run(lambda connection: self._notify_large(connection, topic, body))

    @asynccontextmanager
    async def subscribe(self, *patterns: str) -> AsyncIterator[AsyncIterator[Event | Lagged]]:
        async with self._tap.subscribed(patterns) as subscription:
            yield subscription

    async def connection(self) -> Any:
        """Of nobody else."""
        return await asyncpg.connect(**self._settings)

    async def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Raises BackendError."""
        self._tap.check()
        try:
            async with asyncio.timeout(self._timeout):
                pool = await self._opened()
                connection = await pool.acquire()
                try:
                    return await work(connection)
                except BaseException as error:
                    if not _goes_on(error):
                        connection.terminate()
                    raise
                finally:
                    await pool.release(connection)
        except TimeoutError:
            raise BackendUnavailable(f"{self._where}: no answer in {self._timeout:g} s") from None
        except (*ASYNCPG, OSError) as error:
            raise translated(error, self._where) from None

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=0, max_size=self._size, reset=_as_it_is, **self._settings
                )
        return self._pool

    async def _notify_large(self, connection: Any, topic: str, body: bytes) -> None:
        async with connection.transaction():
            if not self._has_table:
                await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
                await connection.execute(LARGE)
            number = await connection.fetchval(
                "INSERT INTO ait_gateway_large_events (body) VALUES ($1) RETURNING number", body
            )
            await connection.execute(
                "DELETE FROM ait_gateway_large_events WHERE made < now() - interval '5 minutes'"
            )
            await _notify(connection, f"{topic} #{number}")
        self._has_table = True


class Listening:
    """One connection and what it heard that was not delivered yet."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.unread: deque[str] = deque()
        self.missed = False
        self.awake = asyncio.Event()

    async def begin(self) -> None:
        self.connection.add_termination_listener(lambda _: self.awake.set())
        await self.connection.add_listener(CHANNEL, self._heard)

    def _heard(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        if len(self.unread) < MOST_UNREAD:
            self.unread.append(str(payload))
        else:
            self.missed = True
        self.awake.set()


class PostgresqlTap(Tap[Listening]):
    def __init__(self, where: str, timeout: float, queue: Queue, events: PostgresqlEvents) -> None:
        super().__init__(where, timeout, queue)
        self._events = events

    async def connect(self) -> Listening:
        listening = Listening(await self._events.connection())
        try:
            await listening.begin()
        except BaseException:
            listening.connection.terminate()
            raise
        return listening

    async def disconnect(self, connection: Listening) -> None:
        connection.connection.terminate()

    def translated(self, error: Exception) -> BackendError:
        return translated(error, self.where)

    async def listen(self, connection: Listening) -> None:
        while not connection.connection.is_closed():
            connection.awake.clear()
            while connection.unread:
                await self._deliver(connection.unread.popleft())
            if connection.missed:
                connection.missed = False
                self.hub.gap()
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await connection.awake.wait()
            except TimeoutError:
                async with asyncio.timeout(self.timeout):
                    await connection.connection.fetchval("SELECT 1")
        raise BackendUnavailable(f"{self.where}: the connection is lost")

    async def _deliver(self, payload: str) -> None:
        topic, _, body = payload.partition(" ")
        if not body.startswith("#"):
            self.hub.deliver(topic, b64decode(body))
            return
        large = await self._events.run(
            lambda each: each.fetchval(
                "SELECT body FROM ait_gateway_large_events WHERE number = $1", int(body[1:])
            )
        )
        if large is None:
            self.hub.gap()
        else:
            self.hub.deliver(topic, large)


def _goes_on(error: BaseException) -> bool:
    """Whether its connection is as good as before: else an answer may be still under way, or the
    server said goodbye."""
    return isinstance(error, asyncpg.PostgresError) and _refused(error)


async def _as_it_is(_connection: object) -> None:
    """Nothing is left behind in a session, so nothing need be sent to undo it."""


async def _notify(connection: Any, payload: str) -> None:
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)


def _refused(error: asyncpg.PostgresError) -> bool:
    return (error.sqlstate or "").startswith(REFUSED)


def translated(error: Exception, where: str) -> BackendError:
    """Without asyncpg's text, which may repeat what was sent."""
    if isinstance(error, asyncpg.PostgresError):
        kind = Refused if _refused(error) else BackendUnavailable
        return kind(f"{where}: {type(error).__name__} {error.sqlstate or ''}".rstrip())
    reason = getattr(error, "strerror", None) or type(error).__name__
    return BackendUnavailable(f"{where}: {reason}")
