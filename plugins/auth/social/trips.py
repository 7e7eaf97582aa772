"""Log-ins that left for a provider: each comes back once, to the browser that left, in time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from backends.sql import Sql
from plugins.auth.social.tables import trips

LASTS = 600


class Departure(NamedTuple):
    state: str
    nonce: str
    verifier: str


class Trip(NamedTuple):
    """session_id: of the session whose account gets the identity; None for a log-in."""

    provider: str
    session_id: str | None
    onward: str
    nonce: str
    verifier: str


class Trips:
    """holder: a secret of 256 bits in a cookie. clock: UTC seconds since 1970.

    Nonce (OpenID Connect Core 3.1.2.1) and PKCE verifier (RFC 7636) are derived from the holder
    and the state, so that the table has no secret and another browser can compute neither.
    """

    def __init__(self, sql: Sql, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._clock = clock

    async def leave(
        self, holder: str, provider: str, onward: str, session_id: str | None = None
    ) -> Departure:
        state = secrets.token_urlsafe(32)
        row = {
            "hash": digest(state),
            "holder": digest(holder),
            "provider": provider,
            "session_id": session_id,
            "onward": onward,
            "expires_at": int(self._clock()) + LASTS,
        }
        async with self._sql.write() as connection:
            await connection.execute(trips.insert().values(row))
        return Departure(state, _derived(holder, "nonce", state), _derived(holder, "pkce", state))

    async def arrive(self, holder: str, provider: str, state: str) -> Trip | None:
        """One statement: of those who come back with it at once, one does."""
        gone = (
            trips.delete()
            .where(
                trips.c.hash == digest(state),
                trips.c.holder == digest(holder),
                trips.c.provider == provider,
                trips.c.expires_at > int(self._clock()),
            )
            .returning(trips.c.session_id, trips.c.onward)
        )
        async with self._sql.write() as connection:
            row = (await connection.execute(gone)).first()
        if row is None:
            return None
        nonce, verifier = _derived(holder, "nonce", state), _derived(holder, "pkce", state)
        return Trip(provider, row.session_id, row.onward, nonce, verifier)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _derived(holder: str, purpose: str, state: str) -> str:
    """43 characters (RFC 7636 section 4.1)."""
    made = hmac.digest(holder.encode(), f"{purpose} {state}".encode(), "sha256")
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()
