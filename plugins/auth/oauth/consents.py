"""What people have agreed to, so that they are not asked each time; and how they take it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.log import record
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.tables import clients, codes, consents, grants


class App(NamedTuple):
    """A client that may do something for a person. at: UTC seconds since 1970."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    at: int


class Consents:
    def __init__(self, sql: Sql, ending: Ending, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._ending = ending
        self._clock = clock

    async def given(self, account_id: str, client_id: str) -> frozenset[str]:
        """Scopes. Raises BackendError."""
        mine = sa.and_(consents.c.account_id == account_id, consents.c.client_id == client_id)
        async with self._sql.read() as connection:
            row = (await connection.execute(sa.select(consents.c.scopes).where(mine))).first()
        return frozenset() if row is None else frozenset(row.scopes.split())

    async def give(
        self, connection: AsyncConnection, account_id: str, client_id: str, scopes: frozenset[str]
    ) -> None:
        now, held = int(self._clock()), " ".join(sorted(scopes))
        adding = insert(self._sql, consents).values(
            account_id=account_id, client_id=client_id, scopes=held, at=now
        )
        await connection.execute(
            adding.on_conflict_do_update(
                index_elements=[consents.c.account_id, consents.c.client_id],
                set_={"scopes": held, "at": now},
            )
        )
        await record(connection, "consented", account=account_id, client=client_id, scopes=held)

    async def apps(self, account_id: str) -> list[App]:
        """Those a person has agreed to, and those with a grant that lives; by name."""
        agreed = sa.select(consents.c.client_id, consents.c.scopes, consents.c.at).where(
            consents.c.account_id == account_id
        )
        living = sa.select(grants.c.client_id, grants.c.scopes, grants.c.created_at.label("at"))
        mine = grants.c.account_id == account_id
        union = sa.union_all(agreed, living.where(mine, grants.c.expires_at > int(self._clock())))
        each = union.subquery()
        query = sa.select(each, clients.c.name).join(clients, clients.c.id == each.c.client_id)
        found: dict[str, App] = {}
        async with self._sql.read() as connection:
            for row in await connection.execute(query):
                before = found.get(row.client_id, App(row.client_id, row.name, (), row.at))
                scopes = tuple(sorted({*before.scopes, *row.scopes.split()}))
                found[row.client_id] = before._replace(scopes=scopes, at=max(before.at, row.at))
        return sorted(found.values(), key=lambda app: (app.name.casefold(), app.client_id))

    async def exported(self, account_id: str) -> list[dict[str, object]]:
        return [
            {"client_id": each.client_id, "name": each.name, "scopes": each.scopes, "at": each.at}
            for each in await self.apps(account_id)
        ]

    async def take_back(self, account_id: str, client_id: str, actor: Actor | None = None) -> bool:
        """The client is asked about again, and all it was given ends within a second. Whether it
        was given anything. actor: who else than the person."""
        async with self._sql.write() as connection:
            gone = 0
            for table in (consents, codes):
                mine = sa.and_(table.c.account_id == account_id, table.c.client_id == client_id)
                gone += (await connection.execute(table.delete().where(mine))).rowcount
            mine = sa.and_(grants.c.account_id == account_id, grants.c.client_id == client_id)
            gone += await self._ending.grants(connection, mine)
            if gone:
                name, address = actor or (None, None)
                await record(
                    connection,
                    "consent_taken_back",
                    account=account_id,
                    client=client_id,
                    actor=name,
                    address=address,
                )
        return bool(gone)
