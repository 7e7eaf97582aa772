"""Which key has which bytes: SQLite, so that many processes agree and a crash leaves no half."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from backends.blobs.blob import Blob, Item
from backends.errors import BackendUnavailable, Conflict

PATIENCE = 10.0
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS blobs (key TEXT PRIMARY KEY, size INTEGER NOT NULL,"
    " sha256 TEXT NOT NULL, content_type TEXT NOT NULL, modified INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS blobs_sha256 ON blobs (sha256)",
    "CREATE TABLE IF NOT EXISTS garbage (sha256 TEXT PRIMARY KEY) WITHOUT ROWID",
)


class Index:
    """All of it blocks. A connection a thread; one writer at a time, here and by SQLite's lock
    in all processes. `garbage` lists what may have lost its last key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer = threading.Lock()

    def find(self, key: str) -> Blob | None:
        row = self._connection().execute("SELECT * FROM blobs WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        name, size, sha256, content_type, modified = row
        return Blob(name, size, sha256, content_type, _time(modified))

    def page(self, prefix: str, after: str, limit: int) -> list[Item]:
        """Keys with a prefix stand together, from the prefix itself on."""
        rows = self._connection().execute(
            "SELECT key, size, modified FROM blobs WHERE key >= ? AND key > ? ORDER BY key LIMIT ?",
            (prefix, after, limit),
        )
        return [Item(row[0], row[1], _time(row[2])) for row in rows if row[0].startswith(prefix)]

    def publish(self, blob: Blob, place: Callable[[], None], *, only_if_absent: bool) -> bool:
        """place: sees to it that the bytes are where they are found, under the writers' lock.

        Whether bytes may have lost their last key. Raises Conflict.
        """
        with self._writing() as connection:
            old = connection.execute("SELECT sha256 FROM blobs WHERE key = ?", (blob.key,))
            held = old.fetchone()
            if held is not None and only_if_absent:
                raise Conflict("blobs: there is a blob already")
            place()
            row = (*blob[:4], int(blob.modified.timestamp() * 1e6))
            connection.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)", row)
            if held is None or held[0] == blob.sha256:
                return False
            connection.execute("INSERT OR IGNORE INTO garbage VALUES (?)", held)
            return True

    def remove(self, key: str) -> bool:
        """Whether it was there."""
        with self._writing() as connection:
            held = connection.execute("DELETE FROM blobs WHERE key = ? RETURNING sha256", (key,))
            rows = held.fetchall()
            connection.executemany("INSERT OR IGNORE INTO garbage VALUES (?)", rows)
            return bool(rows)

    def suspect(self, sha256: str) -> None:
        """These bytes may have no key."""
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO garbage VALUES (?)", (sha256,))

    def collect(self, unlink: Callable[[str], None], most: int) -> bool:
        """Unlink what no key has, under the lock that `publish` needs. Whether there is more."""
        connection = self._connection()
        if connection.execute("SELECT 1 FROM garbage LIMIT 1").fetchone() is None:
            return False
        with self._writing() as connection:
            listed = connection.execute("SELECT sha256 FROM garbage LIMIT ?", (most,)).fetchall()
            for (sha256,) in listed:
                used = connection.execute("SELECT 1 FROM blobs WHERE sha256 = ?", (sha256,))
                if used.fetchone() is None:
                    unlink(sha256)
            connection.executemany("DELETE FROM garbage WHERE sha256 = ?", listed)
        return len(listed) == most

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        if not self._writer.acquire(timeout=PATIENCE):
            raise BackendUnavailable("blobs: the index is busy")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back by itself
                    connection.execute("ROLLBACK")
                raise
        finally:
            self._writer.release()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            self._connections.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        file = self._folder / "index.db"
        connection = sqlite3.connect(
            file, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            # many that open at once: changing the journal's mode does not wait for its turn
            with _alone(self._folder / "lock"):
                connection.execute("PRAGMA journal_mode = WAL")
                for statement in SCHEMA:
                    connection.execute(statement)
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
