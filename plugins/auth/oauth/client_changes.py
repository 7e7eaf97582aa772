"""What operators, and clients that registered themselves, change about clients."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.log import record
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import Client, Clients, check, client_of, hashed, row_of
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.tables import clients
from plugins.auth.registration.tables import registrations


class ClientChanges:
    def __init__(self, sql: Sql, known: Clients, ending: Ending) -> None:
        self._sql = sql
        self._known = known
        self._ending = ending

    async def page(self, after: tuple[int, str] | None, limit: int) -> Sequence[tuple[Client, int]]:
        """The newest first, with when they were made. Raises BackendError."""
        newest = (clients.c.created_at.desc(), clients.c.id.desc())
        query = sa.select(clients).order_by(*newest).limit(limit)
        if after is not None:
            query = query.where(sa.tuple_(clients.c.created_at, clients.c.id) < after)
        async with self._sql.read() as connection:
            rows = await connection.execute(query)
            return [(client_of(row), row.created_at) for row in rows]

    async def get(self, client_id: str) -> tuple[Client, int] | None:
        async with self._sql.read() as connection:
            found = await connection.execute(sa.select(clients).where(clients.c.id == client_id))
            row = found.first()
        return None if row is None else (client_of(row), row.created_at)

    async def update(
        self,
        client_id: str,
        changed: Mapping[str, Any],
        actor: Actor,
        secret: str | None = None,
        *,
        members: Mapping[str, Any] | None = None,
    ) -> tuple[Client, int] | None:
        """changed: fields of Client but id. secret: what must be the client's, if it is told.
        members: of its metadata, which change alone; None takes one away.

        Raises ValueError and BackendError.
        """
        one = clients.c.id == client_id
        async with self._known.epoch.write() as connection:
            found = await connection.execute(sa.select(clients).where(one).with_for_update())
            row = found.first()
            if row is None:
                return None
            if secret is not None and not hmac.compare_digest(row.secret, hashed(secret)):
                raise ValueError("client_secret is that of the client")
            client = replace(client_of(row), **changed)
            if members:
                named = {**client.metadata, **members}
                kept = {name: value for name, value in named.items() if value is not None}
                client = replace(client, metadata=kept)
            check(client)
            if client.public != (row.method == NONE):
                raise ValueError("a client stays public, or one that authenticates")
            values = row_of(client)
            if not client.has_secret:  # the one it had is not to come back
                values["secret"] = hashed(secrets.token_urlsafe(32))
            await connection.execute(clients.update().where(one).values(values))
            await record(
                connection,
                "client_updated",
                client=client_id,
                address=actor.address,
                actor=actor.name,
                fields=" ".join(sorted({*changed, *(members or ())})),
            )
        return client, row.created_at

    async def rotate_secret(self, client_id: str, actor: Actor) -> str | None:
        """The new one, which is nowhere else; the old one is good no more. Raises ValueError for a
        client without one, and BackendError."""
        secret, one = secrets.token_urlsafe(32), clients.c.id == client_id
        async with self._known.epoch.write() as connection:
            row = (await connection.execute(sa.select(clients).where(one))).first()
            if row is None:
                return None
            if not client_of(row).has_secret:
                raise ValueError(f"a client that authenticates by {row.method} has no secret")
            await connection.execute(clients.update().where(one).values(secret=hashed(secret)))
            name, address = actor
            event = "client_secret_rotated"
            await record(connection, event, client=client_id, address=address, actor=name)
        return secret

    async def delete(self, client_id: str, actor: Actor) -> bool:
        """Whether there was one. All its tokens end, and what people granted it goes too. Raises
        BackendError."""
        async with self._known.epoch.write() as connection:
            gone = await connection.execute(clients.delete().where(clients.c.id == client_id))
            if not gone.rowcount:
                return False
            await self._ending.client(connection, client_id)
            mine = registrations.c.client_id == client_id
            await connection.execute(registrations.delete().where(mine))
            name, address = actor
            event = "client_deleted"
            await record(connection, event, client=client_id, address=address, actor=name)
        return True
