"""A log as tables in a SQLite file. Every call blocks."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.events.reading import AT_ONCE, PAGE_BYTES
from backends.events.retention import Retention

T = TypeVar("T")

LOOKED_AT = 2000
TRIMMED_AT_ONCE = 2000
REFUSALS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PERM: "no permission",
    sqlite3.SQLITE_NOTADB: "it is no database",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
}

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, made REAL NOT NULL,
    topic TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS event_log (
    only INTEGER PRIMARY KEY CHECK (only = 1), name TEXT NOT NULL,
    trimmed INTEGER NOT NULL, bytes INTEGER NOT NULL);
"""

ENDS = """
SELECT trimmed, (SELECT seq FROM sqlite_sequence WHERE name = 'events'), bytes,
    (SELECT made FROM events ORDER BY number LIMIT 1) FROM event_log
"""


class State(NamedTuple):
    """name: of this log, never another's. trimmed, last: numbers of events."""

    name: str
    trimmed: int
    last: int


class Row(NamedTuple):
    number: int
    topic: str
    body: bytes


class SqliteLog:
    """One thread's. Raises BackendError."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._connection: sqlite3.Connection | None = None

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._open())
        except sqlite3.Error as error:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.rollback()
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            where = f"events: sqlite:///{self._path}"
            if code in REFUSALS:
                self.close()
                raise Refused(f"{where}: {REFUSALS[code]}") from None
            reason = getattr(error, "sqlite_errorname", type(error).__name__)
            raise BackendUnavailable(f"{where}: {reason}") from None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("BEGIN IMMEDIATE")
                for statement in SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(
                    "INSERT OR IGNORE INTO event_log VALUES (1, ?, 0, 0)", [secrets.token_hex(4)]
                )
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def state(self) -> State:
        return self._run(_state)

    def version(self) -> int:
        """Another one when another process, or thread, has written."""
        return self._run(lambda connection: int(_one(connection, "PRAGMA data_version")[0]))

    def write(self, events: Sequence[tuple[str, bytes]], kept: Retention) -> None:
        """All or none."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            now = time.time()
            connection.executemany(
                "INSERT INTO events (made, topic, body) VALUES (?, ?, ?)",
                [(now, topic, body) for topic, body in events],
            )
            added = sum(len(topic.encode()) + len(body) for topic, body in events)
            connection.execute("UPDATE event_log SET bytes = bytes + ?", [added])
            _trim(connection, kept, now)
            connection.execute("COMMIT")

        self._run(work)

    def read(self, after: int, matches: Callable[[str], bool]) -> tuple[list[Row], int, State]:
        """Some of those that match, the number up to which it looked, and the state before."""

        def work(connection: sqlite3.Connection) -> tuple[list[Row], int, State]:
            connection.execute("BEGIN")
            try:
                state = _state(connection)
                found: list[Row] = []
                looked, held = after, 0
                rows = connection.execute(
                    "SELECT number, topic, body FROM events WHERE number > ? "
                    "ORDER BY number LIMIT ?",
                    [after, LOOKED_AT],
                )
                for number, topic, body in rows:
                    looked = number
                    if matches(topic):
                        found.append(Row(number, topic, body))
                        held += len(body)
                        if len(found) >= AT_ONCE or held >= PAGE_BYTES:
                            break
                return found, looked, state
            finally:
                connection.execute("COMMIT")

        return self._run(work)


def _one(connection: sqlite3.Connection, query: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] | None = connection.execute(query).fetchone()
    if found is None:
        raise BackendError("events: the log's own row is gone")
    return found


def _state(connection: sqlite3.Connection) -> State:
    row = connection.execute(
        "SELECT name, trimmed, "
        "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) FROM event_log"
    ).fetchone()
    return State(*row)


def _trim(connection: sqlite3.Connection, kept: Retention, now: float) -> None:
    """The oldest, a bounded number at a time."""
    trimmed, last, held, oldest = _one(connection, ENDS)
    if last - trimmed <= kept.events and held <= kept.bytes and oldest >= now - kept.age:
        return
    rows = connection.execute(
        "SELECT number, made, length(CAST(topic AS BLOB)) + length(body) FROM events "
        "ORDER BY number LIMIT ?",
        [TRIMMED_AT_ONCE],
    ).fetchall()
    for number, made, size in rows:
        if last - trimmed <= kept.events and held <= kept.bytes and made >= now - kept.age:
            break
        trimmed, held = number, held - size
    connection.execute("DELETE FROM events WHERE number <= ?", [trimmed])
    connection.execute("UPDATE event_log SET trimmed = ?, bytes = ?", [trimmed, held])
