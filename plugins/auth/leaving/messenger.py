"""Tells clients of sessions that ended (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import sqlalchemy as sa

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.keys.keyring import Keyring
from plugins.auth.leaving.participants import URI
from plugins.auth.leaving.reach import Reach
from plugins.auth.leaving.tables import logouts
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.seldom import Seldom

EVERY, CLAIMED, PATIENCE, TRIES = 0.5, 60, 10.0, 8
LASTS = 120
"""Seconds that a logout token is good for (section 2.4)."""
AT_ONCE = 20
EVENT = "http://schemas.openid.net/event/backchannel-logout"
log = logging.getLogger("gateway.auth.logout")


class Messenger:
    """Each is tried until the client answers with 200 or 204; eight times in an hour."""

    def __init__(
        self,
        *,
        sql: Sql,
        issuer: str,
        clients: Clients,
        keyring: Keyring,
        reach: Reach,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._issuer = issuer
        self._clients = clients
        self._keyring = keyring
        self._reach = reach
        self._clock = clock

    async def run(self, on_duty: Callable[[], bool]) -> None:
        """Until it is cancelled."""
        away = Seldom(log, "clients are told of logouts later: %s")
        while True:
            try:
                while on_duty() and await self.deliver():
                    pass
            except BackendError as error:
                away.warn(error)
            await asyncio.sleep(EVERY)

    async def deliver(self) -> bool:
        """Those that are due, twenty at once; whether there were any. Raises BackendError."""
        now = int(self._clock())
        due = sa.select(logouts.c.id).where(logouts.c.next_at <= now)
        due = due.order_by(logouts.c.next_at).limit(AT_ONCE)
        claim = (
            logouts.update()
            .where(logouts.c.id.in_(due), logouts.c.next_at <= now)
            .values(next_at=now + CLAIMED, tries=logouts.c.tries + 1)
            .returning(logouts)
        )
        async with self._sql.read() as connection:
            if (await connection.execute(due)).first() is None:
                return False
        async with self._sql.write() as connection:
            rows = (await connection.execute(claim)).all()
        await asyncio.gather(*(self._tell(row) for row in rows))
        return True

    async def _tell(self, row: Any) -> None:
        client = await self._clients.get(row.client_id)
        uri = client.metadata.get(URI) if client is not None else None
        if client is None or not isinstance(uri, str):
            await self._done(row)
            return
        why = await self._sent(uri, await self._token(client, row))
        if not why:
            await self._done(row)
        elif row.tries >= TRIES:
            log.error("client %s was not told of a logout: %s", client.id, why)
            await self._done(row)
        else:
            log.warning("client %s is told of a logout later: %s", client.id, why)
            later = int(self._clock()) + 15 * 2**row.tries
            mine = logouts.update().where(logouts.c.id == row.id)
            async with self._sql.write() as connection:
                await connection.execute(mine.values(next_at=later))

    async def _done(self, row: Any) -> None:
        async with self._sql.write() as connection:
            await connection.execute(logouts.delete().where(logouts.c.id == row.id))

    async def _token(self, client: Client, row: Any) -> str:
        now = int(self._clock())
        claims = {
            "iss": self._issuer,
            "sub": row.account_id,
            "aud": client.id,
            "iat": now,
            "exp": now + LASTS,
            "jti": secrets.token_urlsafe(16),
            "events": {EVENT: {}},
            "sid": row.session_id,
        }
        key = await self._keyring.signing_for(client.id_token_alg)
        return key.sign(claims, "logout+jwt")

    async def _sent(self, uri: str, token: str) -> str:
        """Why not, or nothing. No redirect is followed, and no proxy of the environment used."""
        try:
            async with (
                asyncio.timeout(PATIENCE),
                aiohttp.ClientSession(
                    trust_env=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    connector=self._reach.connector(),
                ) as session,
                session.post(uri, data={"logout_token": token}, allow_redirects=False) as answer,
            ):
                return "" if answer.status in {200, 204} else f"it answered {answer.status}"
        except aiohttp.ClientConnectorError as error:
            return str(error.os_error)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__
