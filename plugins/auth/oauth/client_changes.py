"""What operators change about clients."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.log import record
from plugins.auth.oauth.clients import Client, Clients, check, client_of, hashed, row_of
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.tables import clients, codes, consents, grants
from plugins.auth.registration.tables import registrations


class ClientChanges:
    """revoked: takes back the tokens of people who had let a deleted client act for them."""

    def __init__(self, sql: Sql, known: Clients, revoked: Revoked) -> None:
        self._sql = sql
        self._known = known
        self._revoked = revoked

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
        self, client_id: str, changed: Mapping[str, Any], actor: Actor
    ) -> tuple[Client, int] | None:
        """changed: fields of Client but id and method. Raises ValueError and BackendError."""
        one = clients.c.id == client_id
        async with self._sql.write() as connection:
            found = await connection.execute(sa.select(clients).where(one).with_for_update())
            row = found.first()
            if row is None:
                return None
            client = replace(client_of(row), **changed)
            check(client)
            await connection.execute(clients.update().where(one).values(row_of(client)))
            await record(
                connection,
                "client_updated",
                client=client_id,
                address=actor.address,
                actor=actor.name,
                fields=" ".join(sorted(changed)),
            )
        self._known.forget(client_id)
        return client, row.created_at

    async def rotate_secret(self, client_id: str, actor: Actor) -> str | None:
        """The new one, which is nowhere else; the old one is good no more. Raises ValueError for a
        public client, and BackendError."""
        secret, one = secrets.token_urlsafe(32), clients.c.id == client_id
        async with self._sql.write() as connection:
            row = (await connection.execute(sa.select(clients).where(one))).first()
            if row is None:
                return None
            if client_of(row).public:
                raise ValueError("a public client has no secret")
            await connection.execute(clients.update().where(one).values(secret=hashed(secret)))
            name, address = actor
            event = "client_secret_rotated"
            await record(connection, event, client=client_id, address=address, actor=name)
        self._known.forget(client_id)
        return secret

    async def delete(self, client_id: str, actor: Actor) -> bool:
        """Whether there was one; what people granted it goes too. Raises BackendError."""
        mine = sa.select(grants.c.id).where(grants.c.client_id == client_id)
        async with self._sql.write() as connection:
            gone = await connection.execute(clients.delete().where(clients.c.id == client_id))
            if not gone.rowcount:
                return False
            ids = list((await connection.execute(mine)).scalars())
            await self._revoked.grants(connection, ids)
            for table in (codes, grants, consents, registrations):
                await connection.execute(table.delete().where(table.c.client_id == client_id))
            name, address = actor
            event = "client_deleted"
            await record(connection, event, client=client_id, address=address, actor=name)
        self._known.forget(client_id)
        return True
