"""A log in a SQLite file, for all processes of a host."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

import msgspec

from backends.address import Address, seconds
from backends.errors import BackendError, BackendUnavailable, Refused
from backends.events import BEGIN, CursorExpired, Event
from backends.events.reading import Reading, Wakes
from backends.events.retention import Retention
from backends.events.sqlite_log import SqliteLog, State
from backends.events.sqlite_writer import SqliteWriter
from backends.events.topics import Patterns, check_event

T = TypeVar("T")

CURSOR = re.compile("([0-9a-f]{8})-([0-9]{1,18})")


class Options(msgspec.Struct):
    max_age: str = "7d"
    max_events: int = 100_000
    max_bytes: str = "256MiB"
    poll: str = "50ms"
    timeout: str = "5s"


def open_sqlite(url: str) -> SqliteEvents:
    address = Address.parse("events", url)
    options = address.options(Options)
    if address.hosts or not address.path or address.tls:
        raise BackendError("events: expected sqlite:///relative/file or sqlite:////absolute/file")
    try:
        poll, timeout = seconds(options.poll), seconds(options.timeout)
    except ValueError:
        poll = timeout = 0
    if not (0 < poll <= 60 and 0 < timeout <= 600):
        raise BackendError("events: poll and timeout are durations such as 50ms and 5s")
    kept = Retention.of(address, options.max_age, options.max_events, options.max_bytes)
    return SqliteEvents(address.path, kept, poll, timeout)


class SqliteEvents:
    """What waits to be written together is one transaction. Subscribers are woken by what this
    process writes, and by a look at the file each `poll` seconds for what others write.
    """

    def __init__(self, path: str, kept: Retention, poll: float, timeout: float) -> None:
        self._where = f"events: sqlite:///{path}"
        self._poll = poll
        self._wakes = Wakes()
        self._writer = SqliteWriter(SqliteLog(path, timeout), kept, self._wakes.wake)
        self._reader = SqliteLog(path, timeout)
        self._readers = ThreadPoolExecutor(1)
        self._looking: asyncio.Task[None] | None = None
        self._subscribed = 0
        self._closed = False

    async def check(self) -> None:
        await self._read(self._reader.state)

    async def close(self) -> None:
        """What waits to be written is written first."""
        if self._closed:
            return
        self._closed = True
        self._wakes.wake()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        await self._writer.close()
        await asyncio.get_running_loop().run_in_executor(self._readers, self._reader.close)
        self._readers.shutdown(wait=False)

    async def publish(self, topic: str, body: bytes) -> None:
        check_event(topic, body)
        self._open()
        if self._writer.full():
            raise BackendUnavailable(f"{self._where}: too many wait to be written")
        await self._writer.write(topic, body)

    async def latest(self) -> str:
        state: State = await self._read(self._reader.state)
        return f"{state.name}-{state.last}"

    @asynccontextmanager
    async def subscribe(
        self, *patterns: str, after: str | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        wanted = Patterns(patterns)
        position = await self._position(after)
        reading = Reading(position, partial(self._page, wanted))
        self._subscribed += 1
        if self._looking is None and not self._closed:
            self._looking = asyncio.create_task(self._look())
        try:
            yield reading
        finally:
            reading.end()
            self._wakes.wake()
            self._subscribed -= 1
            if not self._subscribed and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def _open(self) -> None:
        if self._closed:
            raise BackendError(f"{self._where} is closed")

    async def _read(self, work: Callable[[], T]) -> T:
        self._open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _position(self, after: str | None) -> int:
        state: State = await self._read(self._reader.state)
        if after is None:
            return state.last
        if after == BEGIN:
            return state.trimmed
        if not (match := CURSOR.fullmatch(after)):
            raise Refused(f"{self._where}: this is no cursor")
        number = int(match[2])
        if match[1] != state.name or not state.trimmed <= number <= state.last:
            raise CursorExpired(f"{self._where}: the cursor is too old, or another log's")
        return number

    async def _page(self, patterns: Patterns, after: int) -> tuple[list[Event], int]:
        more = self._wakes.next()
        rows, looked, state = await self._read(partial(self._reader.read, after, patterns.match))
        if after < state.trimmed:
            raise CursorExpired(f"{self._where}: what was not read yet is no longer kept")
        if looked == after:
            await more.wait()
        events = [Event(row.topic, row.body, f"{state.name}-{row.number}") for row in rows]
        return events, looked

    async def _look(self) -> None:
        known = -1
        while True:
            with suppress(BackendError):
                version = await self._read(self._reader.version)
                if version != known:
                    known = version
                    self._wakes.wake()
            await asyncio.sleep(self._poll)
