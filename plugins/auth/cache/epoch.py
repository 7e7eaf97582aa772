"""Numbers that move with what is remembered, so that no worker believes old news."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import BackendError
from backends.sql import Sql
from gateway.seat import Broadcast
from plugins.auth.cache.sealed import Sealed
from plugins.auth.cache.tables import epochs
from plugins.auth.seldom import Seldom

ACCESS, CLIENTS = 1, 2
"""Of who may do what; of what clients are. Rows of the table."""
EVERY = 0.5
log = logging.getLogger("gateway.auth.cache")


async def moved(connection: AsyncConnection, which: int = ACCESS) -> int:
    """Last within the `write` block of a change: every worker learns of it within a second.

    Last, as whoever has moved it is waited for by all other changes. The new number.
    """
    moving = epochs.update().where(epochs.c.id == which).values(number=epochs.c.number + 1)
    return int((await connection.execute(moving.returning(epochs.c.number))).scalar_one())


class Epoch:
    """turn: counts what was heard; what was read from the database before it moved is not kept.

    number: the table's, as far as was heard; -1 before it was read. shared: where workers find
    what others have read, if they do.
    """

    def __init__(self, sql: Sql, broadcast: Broadcast | None = None, which: int = ACCESS) -> None:
        self._sql = sql
        self._broadcast = broadcast
        self._topic = f"auth.epoch.{which}"
        self._forgets: list[Callable[[], None]] = []
        self.which = which
        self.number = -1
        self.turn = 0
        self.shared: Sealed | None = None

    def on_move(self, forget: Callable[[], None]) -> None:
        self._forgets.append(forget)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A `write` block of a change. Raises BackendError."""
        async with self._sql.write() as connection:
            yield connection
            number = await moved(connection, self.which)
        self.move(number)
        if self._broadcast is not None:
            self._broadcast.publish(self._topic, b"%d" % number)

    def listen(self) -> Callable[[], None]:
        """To the workers of this host. What it answers ends it."""
        if self._broadcast is None:
            return lambda: None
        return self._broadcast.subscribe(self._topic, self._heard)

    def move(self, number: int) -> None:
        self.number = number
        self.turn += 1
        for forget in self._forgets:
            forget()

    def _heard(self, message: bytes) -> None:
        number = int(message)
        if number > self.number:
            self.move(number)


class Epochs:
    """Workers of a host hear of a change by broadcast, others read the numbers twice a second."""

    def __init__(self, sql: Sql, broadcast: Broadcast) -> None:
        self._sql = sql
        self._each: list[Callable[[], Awaitable[None]]] = []
        self.access = Epoch(sql, broadcast, ACCESS)
        self.clients = Epoch(sql, broadcast, CLIENTS)

    def on_round(self, work: Callable[[], Awaitable[None]]) -> None:
        """Something to do after each reading; may raise BackendError."""
        self._each.append(work)

    async def start(self, shared: Sealed | None = None) -> Callable[[], None]:
        """What it answers ends it. Raises BackendError."""
        both = self.access, self.clients
        with ExitStack() as ends:
            for epoch in both:
                ends.callback(epoch.listen())
            await self.read()
            for epoch in both:
                epoch.shared = shared
            return ends.pop_all().close

    async def read(self) -> None:
        """Raises BackendError."""
        async with self._sql.read() as connection:
            found = await connection.execute(sa.select(epochs))
            numbers = {row.id: row.number for row in found}
        for epoch in (self.access, self.clients):
            if epoch.number != numbers[epoch.which]:
                epoch.move(numbers[epoch.which])

    async def run(self) -> None:
        """Until it is cancelled."""
        away = Seldom(log, "changes of roles, keys and clients are not heard of: %s")
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.read()
                for work in self._each:
                    await work()
            except BackendError as error:
                away.warn(error)
