"""Calls to one Redis, bounded in number and time, never repeated unless they may be."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from redis.asyncio.connection import Connection, ConnectionPool
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as TooSlow

from backends.errors import BackendError, BackendUnavailable
from backends.redis.address import RedisAddress
from backends.redis.errors import translated

Word = bytes | str | int
T = TypeVar("T")

SCANNED_AT_ONCE = 500
LOOK = 0.05
"""Seconds after which what has connected meanwhile is disconnected, while a link is closed."""


class Script:
    """Lua; the server keeps it by its digest."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Link(ABC):
    """Up to `pool` calls at once; the others wait, and the waiting counts as time.

    A call raises BackendError. One that only reads (`reads`) is sent once more when its
    connection breaks; any other is sent at most once.
    """

    def __init__(self, address: RedisAddress) -> None:
        self.address = address
        self._places = asyncio.Semaphore(address.pool)
        self._under_way = 0
        self._none_under_way = asyncio.Event()
        self._closed = False

    async def call(self, *words: Word, reads: bool = False) -> Any:
        return await self._bounded(lambda: self._send(words), reads)

    async def run(self, script: Script, key: bytes, *words: Word, reads: bool = False) -> Any:
        """A script on one key."""

        async def once() -> Any:
            try:
                return await self._send(("EVALSHA", script.digest, 1, key, *words))
            except NoScriptError:  # so it was not carried out
                return await self._send(("EVAL", script.source, 1, key, *words))

        return await self._bounded(once, reads)

    async def _bounded(self, once: Callable[[], Awaitable[T]], reads: bool) -> T:
        self._open()
        try:
            async with asyncio.timeout(self.address.timeout), self._places:
                self._open()
                with self._counted():
                    if reads:
                        with suppress(LostConnection, TooSlow, OSError):
                            return await once()
                        self._open()
                    return await once()
        except TimeoutError:
            raise BackendUnavailable(
                f"{self.address.where}: no answer in {self.address.timeout:g} s"
            ) from None
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - redis-py has some that are not its own
            raise translated(error, self.address.where) from None

    def _open(self) -> None:
        if self._closed:
            raise BackendError(f"{self.address.where} is closed")

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """While something connects, or may."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none_under_way.set()

    @abstractmethod
    async def _send(self, words: Sequence[Word]) -> Any: ...

    @abstractmethod
    async def values(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    @abstractmethod
    async def unlink(self, keys: Sequence[bytes]) -> int:
        """How many were there."""

    @abstractmethod
    def scan(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        """Some keys at a time; each that is there all the time comes at least once."""

    async def close(self) -> None:
        """What is under way breaks, or has connected and then breaks, and nothing is left of it."""
        if self._closed:
            return
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self.address.timeout):
                while self._under_way:
                    self._none_under_way.clear()
                    await self._disconnect()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK):
                            await self._none_under_way.wait()
        await self._disconnect()

    @abstractmethod
    async def _disconnect(self) -> None:
        """All connections there are at the moment. Raises nothing."""


class ServerLink(Link):
    """One server, named by the URL or by sentinels."""

    def __init__(self, address: RedisAddress) -> None:
        super().__init__(address)
        self._pool: ConnectionPool = address.connections()

    async def _send(self, words: Sequence[Word]) -> Any:
        connection: Connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py's
        try:
            await connection.send_command(*words)
            return await connection.read_response()
        except ResponseError as error:
            # A primary no longer: whoever it is now is found by a new connection.
            if isinstance(translated(error, ""), BackendUnavailable):
                await connection.disconnect(nowait=True)
            raise
        except BaseException:
            await connection.disconnect(nowait=True)  # its answer may be still under way
            raise
        finally:
            await self._pool.release(connection)

    async def values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        found: list[bytes | None] = await self.call("MGET", *keys, reads=True)
        return found

    async def unlink(self, keys: Sequence[bytes]) -> int:
        return int(await self.call("UNLINK", *keys))

    async def scan(self, pattern: bytes) -> AsyncIterator[list[bytes]]:
        cursor: Word = 0
        while True:
            cursor, keys = await self.call(
                *("SCAN", cursor, "MATCH", pattern, "COUNT", SCANNED_AT_ONCE), reads=True
            )
            if keys:
                yield keys
            if not int(cursor):
                return

    async def _disconnect(self) -> None:
        with suppress(RedisError, OSError):
            await self._pool.disconnect()
        if isinstance(self._pool, SentinelConnectionPool):
            for sentinel in list(self._pool.sentinel_manager.sentinels):
                with suppress(RedisError, OSError):
                    await sentinel.aclose()
