"""Named checks for `/readyz`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from backends.sql import Sql
from gateway.errors import GatewayError
from gateway.plugin import HealthCheck
from plugins.auth.keys.keyring import Keyring
from plugins.auth.mail.tables import outbox

STUCK = 900
"""Seconds for which a letter is due and nobody has tried to send it."""


class Health:
    """A mail server that refuses is no reason to take requests elsewhere: its letters have been
    tried, and are due later. Letters that nobody tries to send are."""

    def __init__(
        self,
        sql: Sql,
        keyring: Keyring,
        tasks: Callable[[], Sequence[asyncio.Task[None]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._keyring = keyring
        self._tasks = tasks
        self._clock = clock

    def checks(self) -> Mapping[str, HealthCheck]:
        return {"sql": self.sql, "key": self.key, "mail": self.mail, "tasks": self.tasks}

    async def sql(self) -> None:
        """Raises BackendError."""
        async with self._sql.read() as connection:
            await connection.execute(sa.select(sa.literal(1)))

    async def key(self) -> None:
        """Raises GatewayError when there is no key that may sign."""
        try:
            self._keyring.signing()
        except ValueError:
            raise GatewayError("no signing key is there: see the log, or rotate-keys") from None

    async def mail(self) -> None:
        """Raises GatewayError and BackendError."""
        late = outbox.c.next_at < int(self._clock()) - STUCK
        async with self._sql.read() as connection:
            found = (await connection.execute(sa.select(outbox.c.id).where(late).limit(1))).first()
        if found is not None:
            raise GatewayError("letters are due and nobody sends them")

    async def tasks(self) -> None:
        """Raises GatewayError when something that runs on the side has ended."""
        if any(task.done() for task in self._tasks()):
            raise GatewayError("a task on the side has ended: see the log")
