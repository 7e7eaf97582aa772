"""SQLite off the event loop: one thread that writes, some that read, nobody waits for ever."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from backends.errors import BackendError, BackendUnavailable, Refused

MOST_WAITING = 1000
STEPS = 10_000
OLDEST = (3, 35, 0)
FULL = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_TOOBIG")

T = TypeVar("T")


class Threads:
    """Connections belong to threads and are opened when first used.

    A read sees one state of the data. A write is one transaction, which waits for other
    processes' to end. A read that is too slow, or whose caller has gone, is given up by SQLite
    itself; a write that has begun is carried out.
    """

    def __init__(self, path: Path, timeout: float, readers: int, synchronous: str) -> None:
        self._path = path
        self._timeout = timeout
        self._synchronous = synchronous
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = False
        self._writer = ThreadPoolExecutor(1, "search-write")
        self._readers = ThreadPoolExecutor(readers, "search-read")

    async def read(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Raises BackendError; what `step` raises otherwise goes through."""
        return await self._run(self._readers, "BEGIN", step)

    async def write(self, step: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(self._writer, "BEGIN IMMEDIATE", step)

    async def _run(
        self, pool: ThreadPoolExecutor, begin: str, step: Callable[[sqlite3.Connection], T]
    ) -> T:
        if self._closed:
            raise BackendError("search: the index is closed")
        if self._waiting >= MOST_WAITING:
            raise BackendUnavailable("search: too many wait for SQLite")
        deadline = time.monotonic() + self._timeout
        left = threading.Event()
        self._waiting += 1
        done = pool.submit(self._transact, begin, step, deadline, left)
        loop = asyncio.get_running_loop()
        done.add_done_callback(lambda _: _tell(loop, self._one_less))
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(done)
        except TimeoutError:
            raise BackendUnavailable(self._slow()) from None
        finally:
            left.set()

    def _one_less(self) -> None:
        self._waiting -= 1

    def _slow(self) -> str:
        return f"search: SQLite: no answer in {self._timeout:g} s"

    def _transact(
        self,
        begin: str,
        step: Callable[[sqlite3.Connection], T],
        deadline: float,
        left: threading.Event,
    ) -> T:
        if left.is_set() or time.monotonic() > deadline:
            raise BackendUnavailable(self._slow())
        try:
            connection = self._connection()
            if begin == "BEGIN":
                connection.set_progress_handler(
                    lambda: left.is_set() or time.monotonic() > deadline, STEPS
                )
            connection.execute(begin)
            try:
                found = step(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self._forget()
            raise self._translated(error) from None
        return found

    def _translated(self, error: sqlite3.Error) -> BackendError:
        name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_INTERRUPT")):
            return BackendUnavailable(self._slow())
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PROTOCOL")):
            return BackendUnavailable(f"search: SQLite cannot use its file: {name}")
        return Refused(f"search: SQLite: {name}")

    def _connection(self) -> sqlite3.Connection:
        if (kept := getattr(self._own, "connection", None)) is not None:
            return kept  # type: ignore[no-any-return]  # a thread's own
        if sqlite3.sqlite_version_info < OLDEST:
            raise Refused("search: SQLite is older than 3.35")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            raise Refused("search: the folder of the SQLite file cannot be made") from None
        connection = sqlite3.connect(
            self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        except sqlite3.Error:
            connection.close()
            raise
        with self._lock:
            self._opened.append(connection)
        self._own.connection = connection
        return connection

    def _forget(self) -> None:
        """After an error the file may be another one: it is opened anew."""
        if (connection := getattr(self._own, "connection", None)) is not None:
            self._own.connection = None
            with self._lock, suppress(ValueError):
                self._opened.remove(connection)
            with suppress(sqlite3.Error):
                connection.close()

    async def close(self) -> None:
        """What has begun ends, what waits does not begin."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for pool in (self._readers, self._writer):
            pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            for connection in self._opened:
                with suppress(sqlite3.Error):
                    connection.close()
            self._opened.clear()


def _tell(loop: asyncio.AbstractEventLoop, step: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(step)
