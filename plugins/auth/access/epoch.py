"""A number that moves with every change of who may do what, so that no worker believes old news."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import BackendError
from backends.sql import Sql
from gateway.seat import Broadcast
from plugins.auth.access.tables import epoch

EVERY = 0.5
TOPIC = "auth.access"
log = logging.getLogger("gateway.auth.access")


async def moved(connection: AsyncConnection) -> None:
    """Last within the `write` block of a change: every worker learns of it within a second.

    Last, as whoever has moved it is waited for by all other changes.
    """
    await connection.execute(
        epoch.update().where(epoch.c.id == 1).values(number=epoch.c.number + 1)
    )


class Epoch:
    """Workers of this host hear of a change by broadcast, others read the number twice a second.

    turn: counts what was heard; what was read from the database before it moved is not kept.
    """

    def __init__(self, sql: Sql, broadcast: Broadcast) -> None:
        self._sql = sql
        self._broadcast = broadcast
        self._number = -1
        self._forgets: list[Callable[[], None]] = []
        self._each: list[Callable[[], Awaitable[None]]] = []
        self.turn = 0

    def on_move(self, forget: Callable[[], None]) -> None:
        self._forgets.append(forget)

    def on_round(self, work: Callable[[], Awaitable[None]]) -> None:
        """Something to do after each reading; may raise BackendError."""
        self._each.append(work)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A `write` block of a change. Raises BackendError."""
        async with self._sql.write() as connection:
            yield connection
            await moved(connection)
        self._move()
        self._broadcast.publish(TOPIC, b"")

    async def start(self) -> Callable[[], None]:
        """What it answers ends it. Raises BackendError."""
        cancel = self._broadcast.subscribe(TOPIC, lambda _: self._move())
        await self.read()
        return cancel

    async def read(self) -> None:
        """Raises BackendError."""
        async with self._sql.read() as connection:
            number = (await connection.execute(sa.select(epoch.c.number))).scalar_one()
        if number != self._number:
            self._number = number
            self._move()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.read()
                for work in self._each:
                    await work()
            except BackendError as error:
                log.warning("changes of roles and keys are not heard of: %s", error)

    def _move(self) -> None:
        self.turn += 1
        for forget in self._forgets:
            forget()
