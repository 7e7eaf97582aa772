"""Search in an SQLite file, by FTS5: embedded, for all processes of one host."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from backends.address import Address, seconds
from backends.errors import BackendError, Conflict, Missing, Refused
from backends.search.index import Document, Entry, Failure, Index, entry
from backends.search.query import Filter, Page, Query, check, check_filter
from backends.search.sqlite_query import Asked
from backends.search.sqlite_tables import CATALOGUE, FORMAT, Tables, drop, tables
from backends.search.sqlite_threads import Threads
from backends.search.words import FOLDING

BATCH = 500
BATCH_CHARACTERS = 2 << 20

T = TypeVar("T")


class Options(msgspec.Struct, frozen=True):
    timeout: str = "10s"
    readers: int = 4
    synchronous: Literal["normal", "full"] = "normal"


class SqliteSearch:
    """What is acknowledged outlives kill -9; with `synchronous=full` also a loss of power."""

    def __init__(self, path: Path, options: Options) -> None:
        self._threads = Threads(
            path, seconds(options.timeout), options.readers, options.synchronous
        )
        self._ready = False

    async def ensure(self, index: Index) -> bool:
        def make(connection: sqlite3.Connection) -> bool:
            self._prepare(connection)
            found = connection.execute(
                "SELECT fields, filled FROM search_index"
                " WHERE name = ? AND version = ? AND folding = ?",
                (index.name, index.version, FOLDING),
            ).fetchone()
            if found is None:
                number = connection.execute(
                    "INSERT INTO search_index (name, version, folding, fields) VALUES (?, ?, ?, ?)",
                    (index.name, index.version, FOLDING, index.digest()),
                ).lastrowid
                Tables(index, number or 0).create(connection)
                return False
            if found[0] != index.digest():
                raise Conflict(
                    f"search: version {index.version} of {index.name} is there with other fields"
                )
            return bool(found[1])

        return await self._threads.write(make)

    async def filled(self, index: Index) -> None:
        def note(connection: sqlite3.Connection) -> None:
            number = self._tables(connection, index).number
            connection.execute("UPDATE search_index SET filled = 1 WHERE id = ?", (number,))
            drop(connection, index, below=True)

        await self._threads.write(note)

    async def drop(self, index: Index) -> None:
        def forget(connection: sqlite3.Connection) -> None:
            self._prepare(connection)
            drop(connection, index, below=False)

        await self._threads.write(forget)

    async def put(
        self,
        index: Index,
        documents: Sequence[Document],
        *,
        only_if_absent: bool = False,
        refresh: bool = False,
    ) -> list[Failure]:
        failures: list[Failure] = []
        waiting = iter(documents)

        def write(batch: list[Entry]) -> Callable[[sqlite3.Connection], None]:
            def step(connection: sqlite3.Connection) -> None:
                into = self._tables(connection, index)
                for each in batch:
                    into.put(connection, each, only_if_absent=only_if_absent)

            return step

        if not documents:
            await self._threads.read(lambda connection: self._tables(connection, index))
        while (batch := await asyncio.to_thread(_batch, index, waiting, failures)) is not None:
            await self._threads.write(write(batch))
        return failures

    async def delete(self, index: Index, ids: Sequence[str], *, refresh: bool = False) -> int:
        def some(ids: Sequence[str]) -> Callable[[sqlite3.Connection], int]:
            return lambda connection: self._tables(connection, index).delete(connection, ids)

        count = await self._threads.write(some(()))
        for start in range(0, len(ids), BATCH):
            count += await self._threads.write(
                some([each for each in ids[start : start + BATCH] if _encodable(each)])
            )
        return count

    async def delete_where(self, index: Index, where: Filter, *, refresh: bool = False) -> int:
        check_filter(index, where)

        def newest(connection: sqlite3.Connection) -> int:
            return self._tables(connection, index).newest(connection)

        def some(connection: sqlite3.Connection) -> tuple[int, int | None]:
            into = self._tables(connection, index)
            found = Asked(into, Query(where=where)).some(connection, beyond, upto, BATCH)
            ids = [each for _, each in found]
            return into.delete(connection, ids), found[-1][0] if found else None

        upto = await self._threads.read(newest)
        beyond: int | None = 0
        count = 0
        while beyond is not None:
            deleted, beyond = await self._threads.write(some)
            count += deleted
        return count

    async def query(self, index: Index, query: Query) -> Page:
        check(index, query)
        return await self._threads.read(
            lambda connection: Asked(self._tables(connection, index), query).page(connection)
        )

    async def check(self) -> None:
        await self._threads.read(
            lambda connection: connection.execute("SELECT 1 FROM sqlite_master")
        )

    async def close(self) -> None:
        await self._threads.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise Refused("search: the SQLite file was made by a newer version of this software")
        connection.execute(CATALOGUE)
        connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _tables(self, connection: sqlite3.Connection, index: Index) -> Tables:
        try:
            found = tables(connection, index)
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            found = None
        if found is None:
            raise Missing(f"search: there is no version {index.version} of {index.name}")
        return found


def _batch(
    index: Index, waiting: Iterator[Document], failures: list[Failure]
) -> list[Entry] | None:
    """The next that fit the index, no more of them than a moment's work; None after the last."""
    batch: list[Entry] = []
    characters = read = 0
    for document in islice(waiting, BATCH):
        read += 1
        try:
            batch.append(entry(index, document))
        except ValueError as error:
            failures.append(Failure(document.id, str(error)))
            continue
        characters += sum(map(len, batch[-1].text.values()))
        if characters > BATCH_CHARACTERS:
            break
    return batch if read else None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_sqlite(url: str) -> SqliteSearch:
    """`sqlite:///relative/path` or `sqlite:////absolute/path`. Raises BackendError.

    timeout: of one call, waiting for other processes included. readers: threads that read.
    synchronous: `full` waits for the disk at every write.
    """
    address = Address.parse("search", url)
    options = address.options(Options)
    if address.hosts or not address.path or address.tls:
        raise BackendError("search: a SQLite URL is sqlite:///path/to/file.db")
    try:
        if not 1 <= options.readers <= 32 or seconds(options.timeout) <= 0:
            raise ValueError
    except ValueError:
        raise BackendError("search: timeout is such as 10s, readers 1 to 32") from None
    return SqliteSearch(Path(address.path), options)
