"""Groups: principals that hold roles together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.errors import Missing, Taken
from plugins.auth.access.roles import existing
from plugins.auth.access.tables import grants, group_members, groups, service_accounts
from plugins.auth.accounts.admins import admin_kept, members_of
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch


@dataclass(frozen=True, slots=True)
class Group:
    """created_at, updated_at: UTC seconds since 1970."""

    name: str
    description: str
    roles: tuple[str, ...]
    created_at: int
    updated_at: int


class Groups:
    """What would leave nobody with the role admin raises LastAdmin.

    actor: who does it, as the audit log has it. clock: UTC seconds since 1970."""

    def __init__(self, sql: Sql, epoch: Epoch, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._epoch = epoch
        self._clock = clock

    async def page(self, *, after: str = "", limit: int = 100) -> list[Group]:
        """In the order of names, those that come after one."""
        query = sa.select(groups).where(groups.c.name > after).order_by(groups.c.name)
        async with self._sql.read() as connection:
            return [_group(row) for row in await connection.execute(query.limit(limit))]

    async def get(self, name: str) -> Group | None:
        async with self._sql.read() as connection:
            found = await connection.execute(sa.select(groups).where(groups.c.name == name))
            row = found.first()
        return None if row is None else _group(row)

    async def create(
        self,
        name: str,
        roles: Iterable[str] = (),
        *,
        description: str = "",
        actor: str | None = None,
    ) -> Group:
        """Raises ValueError, Missing for a role that is not there, and Taken."""
        now = int(self._clock())
        values = {
            "name": permission.name_of(name),
            "description": permission.description(description),
            "created_at": now,
            "updated_at": now,
        }
        async with self._epoch.write() as connection:
            kept = await existing(connection, roles)
            adding = insert(self._sql, groups).values(**values, roles=kept)
            if not (await connection.execute(adding.on_conflict_do_nothing())).rowcount:
                raise Taken("there is a group of that name")
            await record(connection, "group_created", group=name, roles=kept, actor=actor)
        return Group(name, str(values["description"]), tuple(kept.split()), now, now)

    async def update(
        self,
        name: str,
        *,
        roles: Iterable[str] | None = None,
        description: str | None = None,
        actor: str | None = None,
    ) -> Group:
        """What is None stays. Raises ValueError and Missing."""
        values: dict[str, Any] = {"updated_at": int(self._clock())}
        if description is not None:
            values["description"] = permission.description(description)
        async with self._epoch.write() as connection:
            if roles is not None:
                values["roles"] = await existing(connection, roles)
            changing = groups.update().where(groups.c.name == name).values(values)
            async with admin_kept(connection, members_of(name)):
                row = (await connection.execute(changing.returning(groups))).first()
            if row is None:
                raise Missing("there is no such group")
            await record(connection, "group_changed", group=name, roles=row.roles, actor=actor)
        return _group(row)

    async def delete(self, name: str, *, actor: str | None = None) -> bool:
        """Whether there was one; its members and grants go with it."""
        async with self._epoch.write() as connection:
            async with admin_kept(connection, members_of(name)):
                gone = await connection.execute(groups.delete().where(groups.c.name == name))
            if not gone.rowcount:
                return False
            await connection.execute(
                group_members.delete().where(group_members.c.group_name == name)
            )
            its_own = sa.and_(grants.c.kind == "group", grants.c.holder == name)
            await connection.execute(grants.delete().where(its_own))
            await record(connection, "group_deleted", group=name, actor=actor)
        return True

    async def members(self, name: str, *, after: str = "", limit: int = 100) -> list[str]:
        """Ids of accounts and service accounts, in order, those that come after one."""
        members = group_members.c
        query = (
            sa.select(members.principal_id)
            .where(members.group_name == name, members.principal_id > after)
            .order_by(members.principal_id)
            .limit(limit)
        )
        async with self._sql.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def groups_of(self, principal_id: str) -> list[str]:
        query = (
            sa.select(group_members.c.group_name)
            .where(group_members.c.principal_id == principal_id)
            .order_by(group_members.c.group_name)
        )
        async with self._sql.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def add(self, name: str, principal_id: str, *, actor: str | None = None) -> bool:
        """Whether it was not a member before. Raises Missing."""
        adding = insert(self._sql, group_members).values(group_name=name, principal_id=principal_id)
        async with self._epoch.write() as connection:
            # The row stays until the block ends, so that no member outlives a group.
            there = sa.select(groups.c.name).where(groups.c.name == name)
            if (await connection.execute(there.with_for_update(read=True))).first() is None:
                raise Missing("there is no such group")
            await must_be_there(connection, principal_id)
            added = await connection.execute(adding.on_conflict_do_nothing())
            if added.rowcount:
                await record(
                    connection, "group_joined", account=principal_id, group=name, actor=actor
                )
        return bool(added.rowcount)

    async def remove(self, name: str, principal_id: str, *, actor: str | None = None) -> bool:
        """Whether it was a member."""
        members = group_members.c
        one = sa.and_(members.group_name == name, members.principal_id == principal_id)
        async with self._epoch.write() as connection:
            async with admin_kept(connection, accounts.c.id == principal_id):
                gone = await connection.execute(group_members.delete().where(one))
            if gone.rowcount:
                await record(
                    connection, "group_left", account=principal_id, group=name, actor=actor
                )
        return bool(gone.rowcount)


async def must_be_there(connection: AsyncConnection, principal_id: str) -> None:
    """The account or service account, which stays until the block ends. Raises Missing."""
    for table in (accounts, service_accounts):
        query = sa.select(table.c.id).where(table.c.id == principal_id)
        if (await connection.execute(query.with_for_update(read=True))).first() is not None:
            return
    raise Missing("there is no such account")


def _group(row: Any) -> Group:
    roles = tuple(row.roles.split())
    return Group(row.name, row.description, roles, row.created_at, row.updated_at)
