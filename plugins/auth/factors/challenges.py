"""What a passkey has to sign: random, of one browser, for five minutes, once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from backends.sql import Sql
from plugins.auth.factors.tables import challenges

LASTS = 300


class Challenges:
    """holder: a secret of the browser that asked, such as a cookie. clock: UTC seconds."""

    def __init__(self, sql: Sql, clock: Callable[[], float]) -> None:
        self._sql = sql
        self._clock = clock

    async def new(self, purpose: str, holder: str) -> bytes:
        made = secrets.token_bytes(32)
        row = {
            "hash": hashlib.sha256(made).digest(),
            "purpose": purpose,
            "holder": hashlib.sha256(holder.encode()).digest(),
            "expires_at": int(self._clock()) + LASTS,
        }
        async with self._sql.write() as connection:
            await connection.execute(challenges.insert().values(row))
        return made

    async def spend(self, challenge: bytes, purpose: str, holder: str) -> bool:
        """One statement: of those who spend it at once one does."""
        gone = challenges.delete().where(
            challenges.c.hash == hashlib.sha256(challenge).digest(),
            challenges.c.purpose == purpose,
            challenges.c.holder == hashlib.sha256(holder.encode()).digest(),
            challenges.c.expires_at > int(self._clock()),
        )
        async with self._sql.write() as connection:
            return bool((await connection.execute(gone)).rowcount)
