"""Service accounts: principals that are nobody. They have API keys, or an OAuth client."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import Conflict
from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.errors import Missing, Taken
from plugins.auth.access.leaving import forget
from plugins.auth.access.roles import existing
from plugins.auth.access.tables import service_accounts
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch
from plugins.auth.oauth.tables import clients

OnDelete = Callable[[AsyncConnection, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """client_id: of the client whose client_credentials tokens are its own."""

    id: str
    name: str
    client_id: str | None
    roles: tuple[str, ...]
    disabled: bool
    created_at: int
    updated_at: int


class ServiceAccounts:
    """actor: who does it, as the audit log has it. clock: UTC seconds since 1970."""

    def __init__(self, sql: Sql, epoch: Epoch, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._epoch = epoch
        self._clock = clock
        self._deleted: list[OnDelete] = []

    def on_delete(self, callback: OnDelete) -> None:
        """Called with the id of its client, if it has one, in the transaction that deletes it."""
        self._deleted.append(callback)

    async def page(self, *, after: str = "", limit: int = 100) -> list[ServiceAccount]:
        """In the order of names, those that come after one."""
        table = service_accounts
        query = sa.select(table).where(table.c.name > after).order_by(table.c.name).limit(limit)
        async with self._sql.read() as connection:
            return [_account(row) for row in await connection.execute(query)]

    async def get(self, account_id: str) -> ServiceAccount | None:
        query = sa.select(service_accounts).where(service_accounts.c.id == account_id)
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _account(row)

    async def create(
        self,
        name: str,
        roles: Iterable[str] = (),
        *,
        client_id: str | None = None,
        actor: str | None = None,
    ) -> ServiceAccount:
        """Raises ValueError, Missing, and Taken for the name or the client."""
        now = int(self._clock())
        values = {
            "id": secrets.token_hex(16),
            "name": _name(name),
            "client_id": client_id,
            "disabled": False,
            "created_at": now,
            "updated_at": now,
        }
        try:
            async with self._epoch.write() as connection:
                await _client_is_there(connection, client_id)
                kept = await existing(connection, roles)
                adding = service_accounts.insert().values(**values, roles=kept)
                row = (await connection.execute(adding.returning(service_accounts))).one()
                await record(
                    connection,
                    "service_account_created",
                    account=row.id,
                    client=client_id,
                    name=row.name,
                    roles=kept,
                    actor=actor,
                )
        except Conflict:
            raise Taken("another has that name or that client") from None
        return _account(row)

    async def update(
        self,
        account_id: str,
        *,
        name: str | None = None,
        roles: Iterable[str] | None = None,
        disabled: bool | None = None,
        actor: str | None = None,
    ) -> ServiceAccount:
        """What is None stays. Raises ValueError, Missing and Taken."""
        values: dict[str, Any] = {"updated_at": int(self._clock())}
        if name is not None:
            values["name"] = _name(name)
        if disabled is not None:
            values["disabled"] = disabled
        try:
            async with self._epoch.write() as connection:
                if roles is not None:
                    values["roles"] = await existing(connection, roles)
                mine = service_accounts.update().where(service_accounts.c.id == account_id)
                changing = mine.values(values).returning(service_accounts)
                row = (await connection.execute(changing)).first()
                if row is None:
                    raise Missing("there is no such service account")
                await record(
                    connection,
                    "service_account_changed",
                    account=account_id,
                    name=row.name,
                    roles=row.roles,
                    disabled=row.disabled,
                    actor=actor,
                )
        except Conflict:
            raise Taken("another has that name") from None
        return _account(row)

    async def delete(self, account_id: str, *, actor: str | None = None) -> bool:
        """Whether there was one; its keys, grants and memberships go with it."""
        mine = service_accounts.delete().where(service_accounts.c.id == account_id)
        async with self._epoch.write() as connection:
            gone = await connection.execute(mine.returning(service_accounts.c.client_id))
            row = gone.first()
            if row is None:
                return False
            await forget(connection, account_id)
            if row.client_id is not None:
                for callback in self._deleted:
                    await callback(connection, row.client_id)
            await record(connection, "service_account_deleted", account=account_id, actor=actor)
        return True


async def _client_is_there(connection: AsyncConnection, client_id: str | None) -> None:
    if client_id is None:
        return
    query = sa.select(clients.c.id).where(clients.c.id == client_id)
    if (await connection.execute(query)).first() is None:
        raise Missing("there is no such client")


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("a service account has a name")
    return permission.words(text, 100, "a name")


def _account(row: Any) -> ServiceAccount:
    return ServiceAccount(
        row.id,
        row.name,
        row.client_id,
        tuple(row.roles.split()),
        row.disabled,
        row.created_at,
        row.updated_at,
    )
