"""The thread that writes a log in SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from backends.batches import batch_of
from backends.errors import BackendError
from backends.events.retention import Retention
from backends.events.sqlite_log import SqliteLog

AT_ONCE = 500
MOST_WAITING = 10_000
BYTES_WAITING = 64 << 20


class Waiting(NamedTuple):
    topic: str
    body: bytes
    written: asyncio.Future[None]


class SqliteWriter:
    """What waits while others are written is the next transaction. It starts with the first.

    written: called on the event loop after each transaction.
    """

    def __init__(self, log: SqliteLog, kept: Retention, written: Callable[[], None]) -> None:
        self._log = log
        self._kept = kept
        self._written = written
        self._asked: SimpleQueue[Waiting | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._waiting = 0
        self._bytes_waiting = 0

    def full(self) -> bool:
        return self._waiting >= MOST_WAITING or self._bytes_waiting > BYTES_WAITING

    async def write(self, topic: str, body: bytes) -> None:
        """Raises BackendError. Who is cancelled may have written or not."""
        if self._thread is None:
            self._thread = Thread(target=self._work, name="events-sqlite", daemon=True)
            self._thread.start()
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        self._bytes_waiting += len(body)
        self._asked.put(Waiting(topic, body, written))
        await written

    async def close(self) -> None:
        """What waits is written first."""
        if self._thread is not None:
            self._asked.put(None)
            await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while some := batch_of(self._asked, AT_ONCE):
            error: BackendError | None = None
            try:
                self._log.write([(topic, body) for topic, body, _ in some], self._kept)
            except BackendError as raised:
                error = raised
            except Exception as raised:  # noqa: BLE001 - those who wait are told, the thread goes on
                error = BackendError(f"events: {type(raised).__name__}")
            with suppress(RuntimeError):  # the loop is gone, and whoever asked with it
                some[0].written.get_loop().call_soon_threadsafe(self._settle, some, error)
        self._log.close()

    def _settle(self, some: list[Waiting], error: BackendError | None) -> None:
        self._waiting -= len(some)
        for _, body, written in some:
            self._bytes_waiting -= len(body)
            if written.done():
                continue
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(type(error)(*error.args))
        self._written()
