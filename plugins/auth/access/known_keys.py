"""API keys as the `api_key` middleware asks for them in process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from backends.sql import Sql
from gateway import Identity
from plugins.auth.access.key_text import well_formed
from plugins.auth.access.principals import Principals
from plugins.auth.access.tables import api_keys
from plugins.auth.cache.cached import Cached
from plugins.auth.cache.epoch import Epoch
from plugins.auth.cache.remembered import Remembered

KEPT, UNKNOWN, NOTED = 20_000, 2000, 60
"""Keys remembered; keys that are none; seconds between notes of when one was used."""
WRITTEN = 500


class Known(NamedTuple):
    identity: Identity
    expires_at: int


class KnownKeys:
    """A `gateway.api_keys.ApiKeySource`. The digest is remembered and never the key."""

    def __init__(
        self,
        sql: Sql,
        epoch: Epoch,
        issuer: str,
        principals: Principals,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._epoch = epoch
        self._issuer = issuer
        self._principals = principals
        self._clock = clock
        self._known: Cached[Known] = Cached(
            epoch, KEPT, "key", Known, clock=clock, ends=lambda found: found.expires_at
        )
        self._unknown: Remembered[bool] = Remembered(epoch, UNKNOWN, clock)
        self._used: dict[str, int] = {}
        self._to_note: dict[str, int] = {}

    def known_key(self, key: bytes, digest: bytes) -> Identity | bool:
        """The identity, False for a key that is none, True for one that is to be looked up."""
        found = self._known.get(digest)
        if found is not None:
            self._note(found.identity.claims["key_id"])
            return found.identity
        return well_formed(key) and not self._unknown.get(digest)

    async def find_key(self, digest: bytes) -> Identity | None:
        """Raises BackendError."""
        turn = self._epoch.turn
        found = await self._known.find(digest, digest.hex(), lambda: self._read(digest))
        if found is None or found.expires_at <= self._clock():
            self._unknown.put(digest, True, turn)
            return None
        self._note(found.identity.claims["key_id"])
        return found.identity

    async def _read(self, digest: bytes) -> Known | None:
        now = int(self._clock())
        query = sa.select(api_keys).where(api_keys.c.hash == digest, api_keys.c.expires_at > now)
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        principal = None if row is None else await self._principals.get(row.owner_id)
        if row is None or principal is None:
            return None
        scopes = frozenset(row.scopes.split())
        identity = Identity(
            principal.id,
            "api_key",
            {"iss": self._issuer, "key_id": row.id, "key_name": row.name},
            scopes,
            principal.roles if "roles" in scopes else frozenset(),
        )
        return Known(identity, row.expires_at)

    def _note(self, key_id: str) -> None:
        now = int(self._clock())
        if now - self._used.get(key_id, 0) >= NOTED:
            if len(self._used) >= KEPT:
                self._used.clear()
            self._used[key_id] = self._to_note[key_id] = now

    async def write_down(self) -> None:
        """When keys were used: at most once a minute each. Raises BackendError."""
        while self._to_note:
            some = [self._to_note.popitem() for _ in range(min(WRITTEN, len(self._to_note)))]
            used, ids = max(at for _, at in some), [key_id for key_id, _ in some]
            before = sa.or_(api_keys.c.used_at.is_(None), api_keys.c.used_at <= used - NOTED)
            noting = api_keys.update().where(api_keys.c.id.in_(ids), before)
            async with self._sql.write() as connection:
                await connection.execute(noting.values(used_at=used))
