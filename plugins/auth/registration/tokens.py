"""Initial access tokens (RFC 7591 section 3) and registration access tokens (RFC 7592)."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.audit.log import record
from plugins.auth.registration.tables import initial_tokens, registrations

Scopes = tuple[str, ...]
USES, LASTS = 100, 7 * 86400
"""How many clients may register with an initial access token, and for how many seconds."""


class RegistrationTokens:
    def __init__(self, sql: Sql, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._clock = clock

    async def initial(self, scopes: Sequence[str]) -> str:
        """scopes: beyond PERSONAL, that those who register with it may have."""
        token = secrets.token_urlsafe(32)
        values = {
            "hash": _hash(token),
            "scopes": " ".join(scopes),
            "left": USES,
            "expires_at": int(self._clock()) + LASTS,
        }
        async with self._sql.write() as connection:
            await connection.execute(initial_tokens.insert().values(values))
            await record(connection, "initial_token_created", actor="command")
        return token

    async def look(self, token: str) -> Scopes | None:
        """None when it is not good. It counts only when a client is registered."""
        query = sa.select(initial_tokens.c.scopes).where(*self._good(token))
        async with self._sql.read() as connection:
            found = (await connection.execute(query)).scalar()
        return None if found is None else tuple(found.split())

    async def spend(self, connection: AsyncConnection, token: str) -> bool:
        """One statement: of parallel calls no more get through than it has uses left."""
        uses = initial_tokens.update().where(*self._good(token))
        return bool(
            (await connection.execute(uses.values(left=initial_tokens.c.left - 1))).rowcount
        )

    async def owner(self, connection: AsyncConnection, client_id: str, scopes: Scopes) -> str:
        """The registration access token of a new client."""
        token = secrets.token_urlsafe(32)
        values = {"client_id": client_id, "hash": _hash(token), "scopes": " ".join(scopes)}
        await connection.execute(registrations.insert().values(values))
        return token

    async def owns(self, client_id: str, token: str) -> Scopes | None:
        """The scopes that the client may have; None for who may not change it."""
        mine = sa.and_(registrations.c.client_id == client_id, registrations.c.hash == _hash(token))
        async with self._sql.read() as connection:
            found = (
                await connection.execute(sa.select(registrations.c.scopes).where(mine))
            ).scalar()
        return None if found is None else tuple(found.split())

    def _good(self, token: str) -> tuple[sa.ColumnElement[bool], ...]:
        table = initial_tokens.c
        now = int(self._clock())
        return table.hash == _hash(token), table.left > 0, table.expires_at > now


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
