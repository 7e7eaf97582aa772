"""Disk work off the event loop."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from backends.errors import BackendError, BackendUnavailable, Refused

MOST_WAITING = 1000
WILL_NOT = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTSUP, errno.ENAMETOOLONG),
}
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

P = ParamSpec("P")
T = TypeVar("T")


class Disk:
    """A few threads. Work that has begun is waited for also by who is cancelled, so that what
    follows it finds the disk at rest."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "blobs")
        self._waiting = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises BackendUnavailable after `close`, and when too many wait."""
        if self._waiting >= MOST_WAITING:
            raise BackendUnavailable("blobs: too many wait for the disk")
        try:
            job = self._pool.submit(_translated, partial(work, *args, **kwargs))
        except RuntimeError:
            raise BackendUnavailable("blobs: this store of files is closed") from None
        self._waiting += 1
        done = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not job.cancel():
                await _settled(job, done)
            raise
        finally:
            self._waiting -= 1

    async def surely(self, work: Callable[[], None]) -> None:
        """Cleaning up: also when closed, or cancelled before its turn."""
        try:
            job = self._pool.submit(_translated, work)
        except RuntimeError:
            with faults():
                return work()
        done = asyncio.wrap_future(job)
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            await _settled(job, done)
            raise

    async def close(self) -> None:
        """When all that has begun is done."""
        await asyncio.to_thread(self._pool.shutdown)


def _translated(work: Callable[[], T]) -> T:
    with faults():
        return work()


async def _settled(job: Future[T], done: asyncio.Future[T]) -> None:
    while not job.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError:
            continue  # who cancels twice waits as well
    if done.done() and not done.cancelled():
        done.exception()  # it was nobody's to hear


@contextmanager
def faults() -> Iterator[None]:
    """What the system and SQLite say, as BackendErrors that name no path."""
    try:
        yield
    except OSError as error:
        kind = Refused if error.errno in WILL_NOT else BackendUnavailable
        raise kind(f"blobs: the disk says: {error.strerror or type(error).__name__}") from None
    except sqlite3.Error as error:
        raise _sqlite_kind(error)(f"blobs: the index says: {_sqlite_name(error)}") from None


def _sqlite_kind(error: sqlite3.Error) -> type[BackendError]:
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    return BackendUnavailable if code in BUSY or code == sqlite3.SQLITE_IOERR else Refused


def _sqlite_name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
