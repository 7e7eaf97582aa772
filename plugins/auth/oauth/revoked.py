"""Access tokens taken back before they expire, known to every worker within a second."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from backends.errors import BackendError
from backends.sql import Sql
from gateway.seat import Broadcast
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.log import record
from plugins.auth.oauth.tables import revoked

EVERY = 0.5
TOPIC = "auth.revoked"
OVERLAP = 60
"""Seconds that a reading goes back, for rows that were written late or by another clock."""
log = logging.getLogger("gateway.auth.revoked")


class Revoked:
    """Held in memory until they would have expired: 32 bytes and an expiry for each.

    A worker hears of it by broadcast, and reads what other hosts wrote twice a second.
    """

    def __init__(
        self, sql: Sql, broadcast: Broadcast, clock: Callable[[], float] = time.time
    ) -> None:
        self._sql = sql
        self._clock = clock
        self._broadcast = broadcast
        self._until: dict[bytes, int] = {}
        self._read_to = 0

    async def start(self) -> Callable[[], None]:
        """What it answers ends it. Raises BackendError."""
        cancel = self._broadcast.subscribe(TOPIC, self._heard)
        await self.read()
        return cancel

    def has(self, claims: Mapping[str, Any]) -> bool:
        return _hash(str(claims.get("jti", ""))) in self._until

    async def add(self, claims: Mapping[str, Any]) -> None:
        """Once more is no error. Raises BackendError."""
        hashed, expires = _hash(claims["jti"]), int(claims["exp"])
        values = {"hash": hashed, "at": int(self._clock()), "expires_at": expires}
        adding = insert(self._sql, revoked).values(values).on_conflict_do_nothing()
        async with self._sql.write() as connection:
            if (await connection.execute(adding)).rowcount:
                await record(connection, "token_revoked", client=claims["client_id"])
        self._until[hashed] = expires
        self._broadcast.publish(TOPIC, expires.to_bytes(8, "big") + hashed)

    async def read(self) -> None:
        """What was written since the last time. Raises BackendError."""
        now = int(self._clock())
        query = sa.select(revoked.c.hash, revoked.c.expires_at).where(
            revoked.c.at >= self._read_to, revoked.c.expires_at > now
        )
        async with self._sql.read() as connection:
            for row in await connection.execute(query):
                self._until[row.hash] = row.expires_at
        self._read_to = now - OVERLAP

    async def run(self) -> None:
        """Until it is cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(EVERY)
            turn += 1
            try:
                await self.read()
            except BackendError as error:
                log.warning("revoked tokens were not read: %s", error)
            if turn % 120 == 0:
                now = self._clock()
                self._until = {key: end for key, end in self._until.items() if end > now}

    def _heard(self, message: bytes) -> None:
        self._until[message[8:]] = int.from_bytes(message[:8], "big")


def _hash(jti: str) -> bytes:
    return hashlib.sha256(jti.encode()).digest()
