"""Roles: names for permissions, held by accounts, service accounts, groups and members."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.epoch import Epoch
from plugins.auth.access.errors import BuiltIn, Missing, Taken
from plugins.auth.access.tables import groups, invitations, memberships, roles, service_accounts
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record

ADMIN = "admin"
HELD = (accounts, service_accounts, groups, memberships, invitations)
"""Tables with a column `roles`."""
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Role:
    """created_at, updated_at: UTC seconds since 1970."""

    name: str
    description: str
    permissions: tuple[str, ...]
    created_at: int
    updated_at: int


class Roles:
    """actor: who does it, as the audit log has it. clock: UTC seconds since 1970."""

    def __init__(self, sql: Sql, epoch: Epoch, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._epoch = epoch
        self._clock = clock

    async def page(self, *, after: str = "", limit: int = 100) -> list[Role]:
        """In the order of names, those that come after one."""
        query = sa.select(roles).where(roles.c.name > after).order_by(roles.c.name).limit(limit)
        async with self._sql.read() as connection:
            return [_role(row) for row in await connection.execute(query)]

    async def get(self, name: str) -> Role | None:
        async with self._sql.read() as connection:
            found = await connection.execute(sa.select(roles).where(roles.c.name == name))
            row = found.first()
        return None if row is None else _role(row)

    async def create(
        self,
        name: str,
        permissions: Iterable[str],
        *,
        description: str = "",
        actor: str | None = None,
    ) -> Role:
        """Raises ValueError and Taken."""
        now = int(self._clock())
        kept = permission.joined(permissions)
        values = {
            "name": permission.name_of(name),
            "description": permission.words(description, 200, "a description"),
            "permissions": kept,
            "created_at": now,
            "updated_at": now,
        }
        adding = insert(self._sql, roles).values(values).on_conflict_do_nothing()
        async with self._epoch.write() as connection:
            if not (await connection.execute(adding)).rowcount:
                raise Taken("there is a role of that name")
            await record(connection, "role_created", role=name, permissions=kept, actor=actor)
        return Role(name, str(values["description"]), tuple(kept.split()), now, now)

    async def update(
        self,
        name: str,
        *,
        permissions: Iterable[str] | None = None,
        description: str | None = None,
        actor: str | None = None,
    ) -> Role:
        """What is None stays. Raises ValueError, Missing and BuiltIn."""
        if name == ADMIN:
            raise BuiltIn("the role admin stays as it is")
        values: dict[str, Any] = {"updated_at": int(self._clock())}
        if permissions is not None:
            values["permissions"] = permission.joined(permissions)
        if description is not None:
            values["description"] = permission.words(description, 200, "a description")
        changing = roles.update().where(roles.c.name == name).values(values).returning(roles)
        async with self._epoch.write() as connection:
            row = (await connection.execute(changing)).first()
            if row is None:
                raise Missing("there is no such role")
            await record(
                connection, "role_changed", role=name, permissions=row.permissions, actor=actor
            )
        return _role(row)

    async def delete(self, name: str, *, actor: str | None = None) -> bool:
        """Whether there was one; nobody holds it any more. Raises BuiltIn."""
        if name == ADMIN:
            raise BuiltIn("the role admin stays as it is")
        async with self._epoch.write() as connection:
            gone = await connection.execute(roles.delete().where(roles.c.name == name))
            if not gone.rowcount:
                return False
            for table in HELD:
                without = sa.func.replace(_spaced(table), f" {name} ", " ")
                changing = table.update().where(holds(table, name))
                await connection.execute(changing.values(roles=sa.func.trim(without)))
            await record(connection, "role_deleted", role=name, actor=actor)
        return True

    async def held_by(self, account_id: str) -> tuple[str, ...]:
        """Those that an account has itself, not by a group. Raises Missing."""
        query = sa.select(accounts.c.roles).where(accounts.c.id == account_id)
        async with self._sql.read() as connection:
            found = (await connection.execute(query)).scalar()
        if found is None:
            raise Missing("there is no such account")
        return tuple(found.split())

    async def holders(self, name: str, *, after: str = "", limit: int = 100) -> list[str]:
        """Ids of the accounts that have it themselves, in order, those that come after one."""
        query = (
            sa.select(accounts.c.id)
            .where(holds(accounts, name), accounts.c.id > after)
            .order_by(accounts.c.id)
            .limit(limit)
        )
        async with self._sql.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def set_held(
        self, account_id: str, names: Iterable[str], *, actor: str | None = None
    ) -> tuple[str, ...]:
        """All that an account has itself from now on. Raises Missing and ValueError."""
        async with self._epoch.write() as connection:
            kept = await existing(connection, names)
            mine = accounts.update().where(accounts.c.id == account_id)
            changing = mine.values(roles=kept, updated_at=int(self._clock()))
            if not (await connection.execute(changing)).rowcount:
                raise Missing("there is no such account")
            await record(connection, "roles_given", account=account_id, roles=kept, actor=actor)
        return tuple(kept.split())


async def existing(connection: AsyncConnection, names: Iterable[str]) -> str:
    """The names as they are kept, of roles that stay until the block ends.

    Raises Missing, and ValueError for too many.
    """
    wanted = sorted(set(names))
    kept = " ".join(wanted)
    if len(kept) > LONGEST:
        raise ValueError(f"roles have {LONGEST} characters together at most")
    if wanted:
        query = sa.select(roles.c.name).where(roles.c.name.in_(wanted))
        found = (await connection.execute(query.with_for_update(read=True))).scalars().all()
        if len(found) != len(wanted):
            raise Missing("there is no such role")
    return kept


def _spaced(table: sa.Table) -> sa.ColumnElement[str]:
    return sa.literal(" ").concat(table.c.roles).concat(" ")


def holds(table: sa.Table, name: str) -> sa.ColumnElement[bool]:
    """Of a row of HELD: whether the role is among its own."""
    return _spaced(table).contains(f" {name} ", autoescape=True)


def _role(row: Any) -> Role:
    permissions = tuple(row.permissions.split())
    return Role(row.name, row.description, permissions, row.created_at, row.updated_at)
