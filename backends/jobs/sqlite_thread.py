"""One SQLite connection on one thread: steps that wait together are committed together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from backends.batches import batch_of
from backends.errors import BackendError, BackendUnavailable, Refused

THERE = "SELECT 1 FROM sqlite_master WHERE name = 'fires'"
MOST_TOGETHER = 128
MOST_WAITING = 10_000
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
REFUSALS = ("readonly", "full", "permission", "not a database", "malformed", "unable to open")

T = TypeVar("T")
Step = Callable[[sqlite3.Connection], Any]


class Asked(NamedTuple):
    step: Step
    writes: bool
    answer: asyncio.Future[Any]


class SqliteThread:
    """`run` has a step done in a transaction. timeout: seconds for one, waiting included.

    Steps that wait while another is done share its successor's transaction and its one fsync;
    one that fails takes no other with it. Starts at the first step.
    """

    def __init__(self, file: Path, schema: str, timeout: float) -> None:
        self._file = file
        self._schema = schema
        self._timeout = timeout
        self._asked: SimpleQueue[Asked | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False

    async def run(self, step: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        """Raises BackendUnavailable and Refused."""
        if self._closed:
            raise BackendError("jobs: the store is closed")
        if self._asked.qsize() >= MOST_WAITING:
            raise BackendUnavailable("jobs: too many wait for the SQLite file")
        if self._thread is None:
            self._thread = Thread(target=self._work, name="jobs-sqlite", daemon=True)
            self._thread.start()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.put(Asked(step, writes, answer))
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            said = f"jobs: the SQLite file did not answer in {self._timeout:g} s"
            raise BackendUnavailable(said) from None

    async def close(self) -> None:
        """What was asked before is still done."""
        if not self._closed:
            self._closed = True
            self._asked.put(None)
            if self._thread is not None:
                await asyncio.to_thread(self._thread.join, self._timeout)

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        while batch := batch_of(self._asked, MOST_TOGETHER):
            try:
                connection = connection or self._connect()
                answers = _together(connection, batch)
            except (sqlite3.Error, OSError) as error:
                answers = [_translated(error)] * len(batch)
                if connection is not None and not _busy(error):
                    connection.close()
                    connection = None
            _deliver(batch, answers)
        if connection is not None:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        patience = self._timeout * 0.8  # so that the refusal comes before whoever asked is gone
        connection = sqlite3.connect(self._file, timeout=patience, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # or a power cut loses what was told
            if not connection.execute(THERE).fetchone():
                connection.executescript(f"BEGIN IMMEDIATE; {self._schema}; COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


def _together(connection: sqlite3.Connection, batch: list[Asked]) -> list[Any]:
    """An answer each, an exception where a step failed.

    Each would have to be done within a savepoint, so that one that fails takes no other with it;
    as few do, and savepoints are a third of the cost, that is for a second try.
    """
    try:
        return _transaction(connection, batch, _plainly)
    except (sqlite3.OperationalError, sqlite3.InternalError):
        raise  # the file's fault, and so everybody's
    except Exception:  # noqa: BLE001 - a step's own; the thread goes on
        return _transaction(connection, batch, _alone)


def _transaction(
    connection: sqlite3.Connection,
    batch: list[Asked],
    answer: Callable[[sqlite3.Connection, Asked], Any],
) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE" if any(ask.writes for ask in batch) else "BEGIN")
    try:
        answers = [answer(connection, ask) for ask in batch]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return answers


def _plainly(connection: sqlite3.Connection, ask: Asked) -> Any:
    # Nobody waits for it any more: a claim would be held by nobody.
    return None if ask.answer.done() else ask.step(connection)


def _alone(connection: sqlite3.Connection, ask: Asked) -> Any:
    connection.execute("SAVEPOINT step")
    try:
        answer = _plainly(connection, ask)
    except (sqlite3.OperationalError, sqlite3.InternalError):
        raise
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        connection.execute("ROLLBACK TO step")
        answer = _translated(error)
    connection.execute("RELEASE step")
    return answer


def _deliver(batch: list[Asked], answers: list[Any]) -> None:
    loop = batch[0].answer.get_loop()
    with suppress(RuntimeError):  # the loop is gone, and whoever asked with it
        loop.call_soon_threadsafe(_settle, batch, answers)


def _settle(batch: list[Asked], answers: list[Any]) -> None:
    for ask, answer in zip(batch, answers, strict=True):
        if ask.answer.done():
            continue
        if isinstance(answer, Exception):
            ask.answer.set_exception(answer)
        else:
            ask.answer.set_result(answer)


def _busy(error: Exception) -> bool:
    """Whether another program held the file; the connection is as good as before."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in BUSY


def _translated(error: Exception) -> BackendError:
    if isinstance(error, BackendError):
        return error
    if isinstance(error, OSError):
        return Refused(f"jobs: SQLite: {error.strerror or type(error).__name__}")
    if not isinstance(error, sqlite3.Error):  # a value that it cannot store
        return Refused(f"jobs: SQLite: {type(error).__name__}")
    if any(word in str(error) for word in REFUSALS):
        return Refused(f"jobs: SQLite refused: {error}")
    return BackendUnavailable(f"jobs: SQLite: {error}")
