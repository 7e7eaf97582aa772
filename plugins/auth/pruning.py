"""Rows whose time is over go, in batches small enough to be in nobody's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
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
log = logging.getLogger("gateway.auth.pruning")


class Pruning:
    """kept: seconds that lines of the audit log stay."""

    def __init__(
        self,
        sql: Sql,
        clock: Callable[[], float] = time.time,
        kept: int = AuditOptions().keep,
    ) -> None:
        self._sql = sql
        self._clock = clock
        self._kept = kept

    async def run(self, on_duty: Callable[[], bool]) -> None:
        """Until it is cancelled; not in the first minute, when there is enough to do."""
        more = False
        while True:
            await asyncio.sleep(0.01 if more else EVERY)
            try:
                more = on_duty() and await self.prune()
            except BackendError as error:
                log.warning("nothing was pruned: %s", error)
                more = False

    async def prune(self) -> bool:
        """A batch of each table; whether there may be more. Raises BackendError."""
        now = int(self._clock())
        more = await self._batch(events, events.c.id, events.c.at, now - self._kept)
        for table, key, over in (
            (sessions, sessions.c.hash, sessions.c.expires_at),
            (links, links.c.hash, links.c.expires_at),
            (codes, codes.c.hash, codes.c.expires_at),
            (grants, grants.c.id, grants.c.expires_at),
            (revoked, revoked.c.hash, revoked.c.expires_at),
            (trips, trips.c.hash, trips.c.expires_at),
            (found, found.c.holder, found.c.expires_at),
            (challenges, challenges.c.hash, challenges.c.expires_at),
            (api_keys, api_keys.c.id, api_keys.c.expires_at),
            (invitations, invitations.c.id, invitations.c.expires_at),
            (devices, devices.c.hash, devices.c.expires_at),
            (pushed, pushed.c.hash, pushed.c.expires_at),
            (initial_tokens, initial_tokens.c.hash, initial_tokens.c.expires_at),
            (participants, participants.c.session_id, participants.c.expires_at),
            (used, used.c.hash, used.c.expires_at),
            (device_codes, device_codes.c.hash, device_codes.c.expires_at),
            (attempts, attempts.c.key, attempts.c.forget_at),
        ):
            more = await self._batch(table, key, over, now) or more
        return more

    async def _batch(
        self, table: sa.Table, key: sa.Column[Any], at: sa.Column[Any], until: int
    ) -> bool:
        old = sa.select(key).where(at <= until).limit(BATCH)
        async with self._sql.write() as connection:
            gone = await connection.execute(table.delete().where(key.in_(old)))
        return gone.rowcount >= BATCH
