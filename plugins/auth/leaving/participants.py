"""Which clients a session has logged in to, of those that want to hear of its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt
import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.tables import sessions
from plugins.auth.leaving.tables import logouts, participants
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.token_endpoint import Grant

URI = "backchannel_logout_uri"


class Participants:
    def __init__(self, sql: Sql, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._clock = clock

    def noting(self, grant: Grant) -> Grant:
        """The grant of codes, which notes whom it lets in where."""

        async def handle(
            request: web.Request, client: Client, sent: Mapping[str, str]
        ) -> dict[str, Any]:
            issued = await grant(request, client, sent)
            if URI in client.metadata:
                claims = jwt.decode(issued["access_token"], options={"verify_signature": False})
                if "sid" in claims:
                    await self.note(str(claims["sid"]), client.id, str(claims["sub"]))
            return issued

        return handle

    async def note(self, session_id: str, client_id: str, account_id: str) -> None:
        """A session that has ended meanwhile is told of at once. Raises BackendError."""
        who = {"session_id": session_id, "client_id": client_id, "account_id": account_id}
        mine = sessions.c.id == session_id
        living = sa.select(sessions.c.expires_at).where(mine).with_for_update(read=True)
        async with self._sql.write() as connection:
            until = (await connection.execute(living)).scalar()
            if until is None:
                await self._enqueue(connection, [who])
                return
            adding = insert(self._sql, participants).values(**who, expires_at=until)
            await connection.execute(adding.on_conflict_do_nothing())

    async def ended(self, connection: AsyncConnection, ids: Sequence[str]) -> None:
        """For Sessions.on_end: what is to be told is written with what it tells of."""
        gone = participants.delete().where(participants.c.session_id.in_(ids))
        rows = (await connection.execute(gone.returning(participants))).all()
        told = ("session_id", "client_id", "account_id")
        await self._enqueue(
            connection, [{name: getattr(row, name) for name in told} for row in rows]
        )

    async def exported(self, account_id: str) -> dict[str, list[dict[str, Any]]]:
        """Whom the ends of a person's sessions will be told, and are being told."""
        found = {}
        async with self._sql.read() as connection:
            for name, table in (("to_tell", participants), ("being_told", logouts)):
                query = sa.select(table.c.client_id, table.c.session_id)
                mine = query.where(table.c.account_id == account_id)
                found[name] = [
                    {"client_id": row.client_id, "session_id": row.session_id}
                    for row in await connection.execute(mine)
                ]
        return found

    async def forget(self, connection: AsyncConnection, account_id: str) -> None:
        """For Changes.on_leave, after the sessions have ended. What clients are being told of that
        stays until they have heard it, an hour at most: it is what ends the log-ins there."""
        mine = participants.c.account_id == account_id
        await connection.execute(participants.delete().where(mine))

    async def _enqueue(self, connection: AsyncConnection, whom: list[dict[str, str]]) -> None:
        now = int(self._clock())
        if whom:
            rows = [{**each, "tries": 0, "next_at": now} for each in whom]
            await connection.execute(logouts.insert(), rows)
