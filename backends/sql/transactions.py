"""Blocks that are transactions: what both drivers share."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, NoReturn
from weakref import WeakSet

from sqlalchemy import Connection, event, exc
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backends.errors import BackendError, Refused
from backends.sql import Pool
from backends.sql.lane import Lane

ROLLBACK = 2.0
"""Seconds that a rollback may take before its connection is given up instead."""


class Said(NamedTuple):
    """What a driver's exception means. lost: the connection is of no more use."""

    error: BackendError
    lost: bool = False


class Block:
    __slots__ = ("ending", "failed_at", "failure", "savepoints")

    def __init__(self) -> None:
        self.ending = False
        self.failure: BackendError | None = None
        self.failed_at = 0
        self.savepoints = 0

    def fail(self, error: BackendError) -> None:
        if self.failure is None:
            self.failure, self.failed_at = error, self.savepoints


class Transactions(ABC):
    """Of a database that `_said` can translate for; errors are translated where they happen."""

    def __init__(self, readers: Lane, writers: Lane) -> None:
        self._lanes = {readers, writers}
        self._readers, self._writers = readers, writers
        self._blocks: dict[Connection, Block] = {}
        self._writing: set[asyncio.Task[object] | None] = set()
        self._undoing: set[asyncio.Task[None]] = set()
        self._told: WeakSet[BackendError] = WeakSet()
        self._closed = False

    def pool(self) -> Pool:
        return Pool(
            sum(lane.size for lane in self._lanes),
            sum(lane.in_use for lane in self._lanes),
            sum(lane.waiting for lane in self._lanes),
        )

    @abstractmethod
    def _said(self, error: BaseException) -> Said:
        """The translation of an exception of the engine or of SQLAlchemy."""

    @abstractmethod
    async def _begun(self, connection: AsyncConnection) -> None:
        """What a driver does once SQLAlchemy takes its transaction for begun."""

    def _watch(self, engine: AsyncEngine) -> None:
        sync = engine.sync_engine
        event.listen(sync, "handle_error", self._failed)
        event.listen(sync, "commit", self._ends)
        event.listen(sync, "rollback", self._ends)
        event.listen(sync, "savepoint", self._savepoint)
        event.listen(sync, "release_savepoint", self._released)
        event.listen(sync, "rollback_savepoint", self._rolled_back)

    def _failed(self, context: ExceptionContext) -> BackendError | None:
        error = context.original_exception
        if isinstance(error, BackendError) or not isinstance(error, Exception):
            return None
        said = self._said(error)
        self._told.add(said.error)
        if said.lost:
            context.is_disconnect = True
        if context.connection is not None and (block := self._blocks.get(context.connection)):
            block.fail(said.error)
        return said.error

    def _ends(self, connection: Connection) -> None:
        block = self._blocks.get(connection)
        if block is not None and not block.ending:
            error = Refused("sql: a transaction ends where its block ends, and not before")
            block.fail(error)
            raise error

    def _raise(self, error: BaseException, within: AsyncConnection) -> NoReturn:
        """For what the driver raised past SQLAlchemy, which would have told `_failed`."""
        answer = self._said(error).error
        if within.sync_connection in self._blocks:
            self._blocks[within.sync_connection].fail(answer)
        raise answer from None

    def _savepoint(self, connection: Connection, _name: str) -> None:
        if block := self._blocks.get(connection):
            block.savepoints += 1

    def _released(self, connection: Connection, _name: str, _context: None) -> None:
        if block := self._blocks.get(connection):
            block.savepoints -= 1

    def _rolled_back(self, connection: Connection, _name: str, _context: None) -> None:
        if block := self._blocks.get(connection):
            if block.failed_at >= block.savepoints > 0:
                block.failure = None
            block.savepoints -= 1

    @asynccontextmanager
    async def _write(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        task = asyncio.current_task()
        if task in self._writing:
            raise BackendError("sql: a write within a write of the same task waits for itself")
        self._writing.add(task)
        try:
            async with self._block(engine, self._writers) as connection:
                yield connection
        finally:
            self._writing.discard(task)

    @asynccontextmanager
    async def _block(self, engine: AsyncEngine, lane: Lane) -> AsyncIterator[AsyncConnection]:
        await lane.enter()
        connection = engine.connect()
        block = Block()
        try:
            await connection.start()
            sync = connection.sync_connection
            assert sync is not None
            self._blocks[sync] = block
            await connection.begin()
            await self._begun(connection)
            yield connection
            if block.failure is not None:
                raise block.failure
            block.ending = True
            await connection.commit()
        except BaseException as error:
            block.ending = True
            await self._undo(connection, lane)
            if (said := self._foreign(error)) is not None:
                raise said from None
            raise
        await self._finish(connection, lane)

    def _foreign(self, error: BaseException) -> BackendError | None:
        """What is to be raised instead of `error`, if it is not to leave as it is."""
        if isinstance(error, BackendError):
            return error if error in self._told else None  # its cause is the driver's: has values
        return self._said(error).error if isinstance(error, exc.SQLAlchemyError) else None

    async def _undo(self, connection: AsyncConnection, lane: Lane) -> None:
        """Goes on to its end though whoever waits for it is cancelled."""
        task = asyncio.create_task(self._roll_back(connection, lane))
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
        await asyncio.shield(task)

    async def _roll_back(self, connection: AsyncConnection, lane: Lane) -> None:
        try:
            if connection.sync_connection is not None:
                async with asyncio.timeout(ROLLBACK):
                    await connection.rollback()
        except Exception:  # noqa: BLE001 - whatever it is, the connection is not used again
            await self._give_up(connection)
        finally:
            await self._finish(connection, lane)

    async def _finish(self, connection: AsyncConnection, lane: Lane) -> None:
        try:
            if (sync := connection.sync_connection) is not None:
                self._blocks.pop(sync, None)
                if self._closed:
                    await self._give_up(connection)
                await connection.close()
        except Exception:  # noqa: BLE001 - the pool has let go of it, whatever it says
            return
        finally:
            lane.leave()

    async def _give_up(self, connection: AsyncConnection) -> None:
        with suppress(Exception):  # it may be lost already
            await connection.invalidate()

    async def close(self) -> None:
        if any(lane.closed() for lane in self._lanes):
            return
        await self._drain()
        await self._disconnect()

    @abstractmethod
    async def _disconnect(self) -> None:
        """Let go of the connections that no block has."""

    async def _drain(self) -> None:
        """No block begins any more; those that are open may end."""
        await asyncio.gather(*[lane.close() for lane in self._lanes])
        self._closed = True
        await asyncio.gather(*self._undoing)
