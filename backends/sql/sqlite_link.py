"""One connection to a SQLite file, on a thread of its own: aiosqlite with fewer ways to and fro."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import aiosqlite

from backends.errors import Refused

EAGER = 256
"""Rows fetched in the same way to the thread as their statement."""

TURN = 20
"""Milliseconds that SQLite itself waits for another process's write. It is asked again and again,
so that a wait can be cancelled and processes that write all the time let each other in."""

T = TypeVar("T")


class Kind(NamedTuple):
    """Of connection. wait: seconds for a lock of another process. timeout: of a statement."""

    path: Path
    wait: float
    timeout: float
    synchronous: str
    writes: bool = True
    foreign_keys: bool = True


def connect(kind: Kind) -> sqlite3.Connection:
    """Blocks. Makes the file (for its owner alone, since it may hold secrets) and its folder."""
    kind.path.parent.mkdir(parents=True, exist_ok=True)
    if not kind.path.exists():
        os.close(os.open(kind.path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(kind.path, timeout=kind.wait, isolation_level=None)
    try:
        _write_ahead(connection, time.monotonic() + kind.wait)
        connection.execute(f"PRAGMA synchronous={kind.synchronous}")
        connection.execute(f"PRAGMA foreign_keys={'ON' if kind.foreign_keys else 'OFF'}")
        connection.execute("PRAGMA journal_size_limit=67108864")
        connection.execute(f"PRAGMA busy_timeout={TURN}" if kind.writes else "PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection, until: float) -> None:
    """Turning it on asks for the file alone and does not wait for it by itself."""
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise Refused("sql: no write-ahead log is possible where this file is")
        return


class Link(aiosqlite.Connection):
    """A statement that takes too long, or that nobody waits for any more, is interrupted.

    begins: how a transaction begins, with the next statement and in the same way to the thread.
    """

    def __init__(
        self, connector: Callable[[], sqlite3.Connection], wait: float, timeout: float
    ) -> None:
        super().__init__(connector, iter_chunk_size=EAGER)
        self.begins = ""
        self._wait, self._timeout = wait, timeout
        self._thread.daemon = True

    @classmethod
    async def open(cls, kind: Kind) -> Link:
        """Whoever is cancelled meanwhile leaves nothing open behind."""
        link = cls(lambda: connect(kind), kind.wait, kind.timeout)
        opening = asyncio.ensure_future(_opened(link))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unused)
            raise

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """In the connection's thread."""
        result: T = await self._execute(work, *arguments)
        return result

    async def within(self, work: Callable[..., T], *arguments: object) -> T:
        """In the connection's thread, and in the transaction that is to be."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait
        while True:
            try:
                return await self.run(self._begun, work, *arguments)
            except sqlite3.Error as error:  # SQLite itself waits before it says BUSY
                busy = self.begins and error.sqlite_errorcode == sqlite3.SQLITE_BUSY
                if not busy or loop.time() > until:
                    raise

    def _begun(self, work: Callable[..., T], *arguments: object) -> T:
        if self.begins:
            self._conn.execute(self.begins)
            self.begins = ""
        return work(*arguments)

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        timer = asyncio.get_running_loop().call_later(self._timeout, self._give_up)
        try:
            result: T = await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]  # aiosqlite leaves it so
        except asyncio.CancelledError:
            self._give_up()
            raise
        finally:
            timer.cancel()
        return result

    def _give_up(self) -> None:
        with suppress(ValueError, sqlite3.Error):  # closed meanwhile
            self._conn.interrupt()

    def cursor(self) -> Cursor:  # type: ignore[override]  # made without a way to the thread
        return Cursor(self)


async def _opened(link: Link) -> Link:
    try:
        await link
    except BaseException:
        await asyncio.to_thread(link._thread.join)  # it still has a word with this event loop
        raise
    return link


_closing: set[asyncio.Task[None]] = set()


def _close_unused(opening: asyncio.Future[Link]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        task = asyncio.ensure_future(opening.result().close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)


class Cursor:
    """As SQLAlchemy's adapter uses it: most statements are one way to the thread and back."""

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open: sqlite3.Cursor | None = None
        self._rows: deque[Any] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        await self._link.within(self._execute, sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Cursor:
        await self._link.within(self._execute_many, sql, parameters)
        return self

    async def fetchone(self) -> Any:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = size or self.arraysize
        while len(self._rows) < size and self._open is not None:
            await self._link.run(self._take, max(EAGER, size))
        return [self._rows.popleft() for _ in range(min(size, len(self._rows)))]

    async def fetchall(self) -> list[Any]:
        if self._open is not None:
            await self._link.run(self._take, None)
        rows = list(self._rows)
        self._rows.clear()
        return rows

    async def __aiter__(self) -> AsyncIterator[Any]:
        while rows := await self.fetchmany(EAGER):
            for row in rows:
                yield row

    async def close(self) -> None:
        self._rows.clear()
        if self._open is not None:
            cursor, self._open = self._open, None
            await self._link.run(cursor.close)

    def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        self._open = self._link._conn.execute(sql, parameters)
        self.description = self._open.description
        self._take(EAGER if self.description else 0)

    def _execute_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        self._open = self._link._conn.executemany(sql, parameters)
        self._take(0)

    def _take(self, count: int | None) -> None:
        """All rows for None. The cursor closes with the last."""
        cursor = self._open
        assert cursor is not None
        rows = cursor.fetchall() if count is None else cursor.fetchmany(count) if count else []
        self._rows.extend(rows)
        if not count or len(rows) < count:
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
            cursor.close()
            self._open = None
