"""Scopes that stand for permissions: what a token or a key may do of what its owner may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.epoch import Epoch
from plugins.auth.access.errors import Missing, Taken
from plugins.auth.access.tables import scopes
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.log import record
from plugins.auth.oauth.clients import SCOPE

EVERYTHING = "roles"
"""A token or key with this scope may do whatever its owner may, and names the roles."""
GROUPS, ORGANISATION = "groups", "organisation"
RESERVED = frozenset(
    {EVERYTHING, GROUPS, ORGANISATION, "openid", "profile", "email", "offline_access"}
)


@dataclass(frozen=True, slots=True)
class Scope:
    """created_at, updated_at: UTC seconds since 1970."""

    name: str
    description: str
    permissions: tuple[str, ...]
    created_at: int
    updated_at: int


class Scopes:
    """actor: who does it, as the audit log has it. clock: UTC seconds since 1970."""

    def __init__(self, sql: Sql, epoch: Epoch, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._epoch = epoch
        self._clock = clock

    async def page(self, *, after: str = "", limit: int = 100) -> list[Scope]:
        """In the order of names, those that come after one."""
        query = sa.select(scopes).where(scopes.c.name > after).order_by(scopes.c.name)
        async with self._sql.read() as connection:
            return [_scope(row) for row in await connection.execute(query.limit(limit))]

    async def get(self, name: str) -> Scope | None:
        async with self._sql.read() as connection:
            found = await connection.execute(sa.select(scopes).where(scopes.c.name == name))
            row = found.first()
        return None if row is None else _scope(row)

    async def create(
        self,
        name: str,
        permissions: Iterable[str],
        *,
        description: str = "",
        actor: str | None = None,
    ) -> Scope:
        """Raises ValueError, also for a name that has a meaning already, and Taken."""
        if not SCOPE.fullmatch(name) or name in RESERVED:
            raise ValueError("that is no scope (RFC 6749 section 3.3), or has a meaning already")
        now = int(self._clock())
        kept = permission.joined(permissions)
        values = {
            "name": name,
            "description": permission.words(description, 200, "a description"),
            "permissions": kept,
            "created_at": now,
            "updated_at": now,
        }
        adding = insert(self._sql, scopes).values(values).on_conflict_do_nothing()
        async with self._epoch.write() as connection:
            if not (await connection.execute(adding)).rowcount:
                raise Taken("there is a scope of that name")
            await record(connection, "scope_created", scope=name, permissions=kept, actor=actor)
        return Scope(name, str(values["description"]), tuple(kept.split()), now, now)

    async def update(
        self,
        name: str,
        *,
        permissions: Iterable[str] | None = None,
        description: str | None = None,
        actor: str | None = None,
    ) -> Scope:
        """What is None stays. Raises ValueError and Missing."""
        values: dict[str, Any] = {"updated_at": int(self._clock())}
        if permissions is not None:
            values["permissions"] = permission.joined(permissions)
        if description is not None:
            values["description"] = permission.words(description, 200, "a description")
        changing = scopes.update().where(scopes.c.name == name).values(values).returning(scopes)
        async with self._epoch.write() as connection:
            row = (await connection.execute(changing)).first()
            if row is None:
                raise Missing("there is no such scope")
            await record(
                connection, "scope_changed", scope=name, permissions=row.permissions, actor=actor
            )
        return _scope(row)

    async def delete(self, name: str, *, actor: str | None = None) -> bool:
        """Whether there was one. Tokens and keys that have it may do nothing by it."""
        async with self._epoch.write() as connection:
            gone = await connection.execute(scopes.delete().where(scopes.c.name == name))
            if gone.rowcount:
                await record(connection, "scope_deleted", scope=name, actor=actor)
        return bool(gone.rowcount)


async def described(sql: Sql, names: Iterable[str]) -> dict[str, str]:
    """What scopes of these names are said to be, where there is something. Raises BackendError."""
    ours = [name for name in names if name not in RESERVED]
    if not ours:
        return {}
    query = sa.select(scopes.c.name, scopes.c.description).where(scopes.c.name.in_(ours))
    async with sql.read() as connection:
        return {row.name: row.description for row in await connection.execute(query)}


def _scope(row: Any) -> Scope:
    permissions = tuple(row.permissions.split())
    return Scope(row.name, row.description, permissions, row.created_at, row.updated_at)
