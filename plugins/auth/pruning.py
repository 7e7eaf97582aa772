"""Rows whose time is over go, in batches small enough to be in nobody's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import sqlalchemy as sa

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.access.tables import api_keys, invitations
from plugins.auth.accounts.tables import attempts, links, sessions
from plugins.auth.audit.options import AuditOptions
from plugins.auth.audit.tables import events
from plugins.auth.device.tables import device_codes
from plugins.auth.factors.tables import challenges, devices
from plugins.auth.leaving.tables import participants
from plugins.auth.oauth.tables import codes, grants, revoked
from plugins.auth.once.tables import used
from plugins.auth.pushed.tables import pushed
from plugins.auth.registration.tables import initial_tokens
from plugins.auth.social.tables import found, trips

BATCH, EVERY = 500, 60.0
DATED: tuple[tuple[sa.Column[Any], sa.Column[Any]], ...] = (
    (sessions.c.hash, sessions.c.expires_at),
    (links.c.hash, links.c.expires_at),
    (codes.c.hash, codes.c.expires_at),
    (grants.c.id, grants.c.expires_at),
    (revoked.c.hash, revoked.c.expires_at),
    (trips.c.hash, trips.c.expires_at),
    (found.c.holder, found.c.expires_at),
    (challenges.c.hash, challenges.c.expires_at),
    (api_keys.c.id, api_keys.c.expires_at),
    (invitations.c.id, invitations.c.expires_at),
    (devices.c.hash, devices.c.expires_at),
    (pushed.c.hash, pushed.c.expires_at),
    (initial_tokens.c.hash, initial_tokens.c.expires_at),
    (participants.c.session_id, participants.c.expires_at),
    (used.c.hash, used.c.expires_at),
    (device_codes.c.hash, device_codes.c.expires_at),
    (attempts.c.key, attempts.c.forget_at),
)
"""Which rows are taken by what, and when their time is over."""
Step = Callable[[int], Awaitable[bool]]
"""Given the time, in UTC seconds: whether there may be more."""
log = logging.getLogger("gateway.auth.pruning")


class Pruning:
    """kept: seconds that lines of the audit log stay. also: what else time brings about."""

    def __init__(
        self,
        sql: Sql,
        clock: Callable[[], float] = time.time,
        kept: int = AuditOptions().keep,
        also: Iterable[Step] = (),
    ) -> None:
        self._sql = sql
        self._clock = clock
        self._kept = kept
        dated = (partial(self._over, key, over) for key, over in DATED)
        self._steps: list[Step] = [self._lines, *dated, *also]

    async def run(self, on_duty: Callable[[], bool]) -> None:
        """Until it is cancelled; not in the first minute, when there is enough to do."""
        more: list[Step] = []
        while True:
            await asyncio.sleep(0.01 if more else EVERY)
            try:
                more = await self.prune(more) if on_duty() else []
            except BackendError as error:
                log.warning("nothing was pruned: %s", error)
                more = []

    async def prune(self, steps: Iterable[Step] = ()) -> list[Step]:
        """A batch each, or of all there are; those that may have more. Raises BackendError."""
        now = int(self._clock())
        return [step for step in steps or self._steps if await step(now)]

    async def _lines(self, now: int) -> bool:
        return await self._over(events.c.id, events.c.at, now - self._kept)

    async def _over(self, key: sa.Column[Any], over: sa.Column[Any], until: int) -> bool:
        old = sa.select(key).where(over <= until).limit(BATCH)
        async with self._sql.write() as connection:
            gone = await connection.execute(sa.delete(key.table).where(key.in_(old)))
        return gone.rowcount >= BATCH
