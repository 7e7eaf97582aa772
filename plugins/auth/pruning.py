"""Rows whose time is over go, in batches small enough to be in nobody's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import sqlalchemy as sa

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.accounts.tables import attempts, links, sessions
from plugins.auth.factors.tables import challenges
from plugins.auth.oauth.tables import revoked

BATCH, EVERY = 500, 60.0
log = logging.getLogger("gateway.auth.pruning")


class Pruning:
    def __init__(self, sql: Sql, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._clock = clock

    async def run(self, on_duty: Callable[[], bool]) -> None:
        """Until it is cancelled."""
        while True:
            try:
                more = on_duty() and await self.prune()
            except BackendError as error:
                log.warning("nothing was pruned: %s", error)
                more = False
            await asyncio.sleep(0.01 if more else EVERY)

    async def prune(self) -> bool:
        """A batch of each table; whether there may be more. Raises BackendError."""
        more = False
        for table, key, over in (
            (sessions, sessions.c.hash, sessions.c.expires_at),
            (links, links.c.hash, links.c.expires_at),
            (revoked, revoked.c.hash, revoked.c.expires_at),
            (challenges, challenges.c.hash, challenges.c.expires_at),
            (attempts, attempts.c.key, attempts.c.forget_at),
        ):
            old = sa.select(key).where(over <= int(self._clock())).limit(BATCH)
            async with self._sql.write() as connection:
                gone = await connection.execute(table.delete().where(key.in_(old)))
            more = more or gone.rowcount >= BATCH
        return more
