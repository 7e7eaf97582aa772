"""One connection that listens for all subscribers of a process, and comes back by itself."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from backends.errors import BackendError, BackendUnavailable
from backends.events.hub import Hub, Queue, Subscription

HEARTBEAT = 5.0
"""Seconds after which a connection that says nothing is asked whether it is there."""

PAUSES = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)

ConnectionT = TypeVar("ConnectionT")


class Tap(ABC, Generic[ConnectionT]):
    """Open while somebody is subscribed. After a loss all are told of the gap, once it is live
    again.

    where: for messages. timeout: seconds to connect and be acknowledged in, and after which a
    connection that does not answer is given up.
    """

    def __init__(self, where: str, timeout: float, queue: Queue) -> None:
        self.where = where
        self.timeout = timeout
        self.hub = Hub(queue)
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._failed: BackendError | None = None
        self._closed = False

    @abstractmethod
    async def connect(self) -> ConnectionT:
        """Returns when the engine has acknowledged that it listens; leaves nothing if it fails."""

    @abstractmethod
    async def listen(self, connection: ConnectionT) -> None:
        """Delivers to `hub`; raises when the connection is lost."""

    @abstractmethod
    async def disconnect(self, connection: ConnectionT) -> None:
        """Whatever state it is in; waits for nobody."""

    @abstractmethod
    def translated(self, error: Exception) -> BackendError: ...

    def check(self) -> None:
        if self._closed:
            raise BackendError(f"{self.where} is closed")

    async def close(self) -> None:
        self._closed = True
        self.hub.end(BackendError(f"{self.where} is closed"))
        await self._stop()

    @asynccontextmanager
    async def subscribed(self, patterns: Sequence[str]) -> AsyncIterator[Subscription]:
        self.check()
        try:
            with self.hub.subscribed(patterns) as subscription:
                await self._joined()
                yield subscription
        finally:
            if not len(self.hub):
                await self._stop()

    async def _joined(self) -> None:
        if self._task is None:
            self._settled.clear()
            self._failed = None
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(self.timeout):
                await self._settled.wait()
        except TimeoutError:
            raise BackendUnavailable(f"{self.where}: no answer in {self.timeout:g} s") from None
        self.check()
        if self._failed is not None:
            raise type(self._failed)(*self._failed.args)

    async def _run(self) -> None:
        failures, lost = 0, False
        while True:
            try:
                async with asyncio.timeout(self.timeout):
                    connection = await self.connect()
            except Exception as error:  # noqa: BLE001 - a listener goes on whatever happens
                self._failed = self._said(error)
                self._settled.set()
            else:
                try:
                    failures, self._failed = 0, None
                    self._settled.set()
                    if lost:
                        self.hub.gap()
                    await self.listen(connection)
                except Exception as error:  # noqa: BLE001 - a listener goes on whatever happens
                    lost = True
                    self._settled.clear()
                    self._failed = self._said(error)
                finally:
                    await self.disconnect(connection)
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

    def _said(self, error: Exception) -> BackendError:
        if isinstance(error, TimeoutError):
            return BackendUnavailable(f"{self.where}: no answer in {self.timeout:g} s")
        return error if isinstance(error, BackendError) else self.translated(error)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        self._settled.set()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
