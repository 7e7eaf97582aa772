"""Permissions given to one principal or group: on one resource, or on all below one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.errors import Missing
from plugins.auth.access.groups import must_be_there
from plugins.auth.access.tables import grants, groups
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch

Kind = Literal["principal", "group"]


@dataclass(frozen=True, slots=True)
class Held:
    """holder: the id of an account or service account, or the name of a group."""

    kind: Kind
    holder: str
    permission: str
    created_at: int


class Grants:
    """actor: who does it, as the audit log has it. clock: UTC seconds since 1970."""

    def __init__(self, sql: Sql, epoch: Epoch, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._epoch = epoch
        self._clock = clock

    async def of(self, kind: Kind, holder: str, *, after: str = "", limit: int = 100) -> list[Held]:
        """Of one holder, in the order of permissions, those that come after one."""
        mine = sa.and_(grants.c.kind == kind, grants.c.holder == holder)
        query = sa.select(grants).where(mine, grants.c.permission > after)
        async with self._sql.read() as connection:
            found = await connection.execute(query.order_by(grants.c.permission).limit(limit))
            return [Held(kind, holder, row.permission, row.created_at) for row in found]

    async def holders(self, asked: str, *, limit: int = 1000) -> list[Held]:
        """Who was given exactly this permission."""
        query = sa.select(grants).where(grants.c.permission == asked)
        async with self._sql.read() as connection:
            found = await connection.execute(
                query.order_by(grants.c.kind, grants.c.holder).limit(limit)
            )
            return [Held(row.kind, row.holder, row.permission, row.created_at) for row in found]

    async def give(self, kind: Kind, holder: str, given: str, *, actor: str | None = None) -> bool:
        """Whether it was not given before. Raises ValueError and Missing."""
        values = {
            "kind": kind,
            "holder": holder,
            "permission": permission.checked(given),
            "created_at": int(self._clock()),
        }
        adding = insert(self._sql, grants).values(values).on_conflict_do_nothing()
        async with self._epoch.write() as connection:
            if kind == "group":
                there = sa.select(groups.c.name).where(groups.c.name == holder)
                if (await connection.execute(there.with_for_update(read=True))).first() is None:
                    raise Missing("there is no such group")
            else:
                await must_be_there(connection, holder)
            added = await connection.execute(adding)
            if added.rowcount:
                await record(
                    connection, "granted", **_about(kind, holder), permission=given, actor=actor
                )
        return bool(added.rowcount)

    async def take(self, kind: Kind, holder: str, given: str, *, actor: str | None = None) -> bool:
        """Whether it was given."""
        one = sa.and_(
            grants.c.kind == kind, grants.c.holder == holder, grants.c.permission == given
        )
        async with self._epoch.write() as connection:
            gone = await connection.execute(grants.delete().where(one))
            if gone.rowcount:
                about = _about(kind, holder)
                await record(connection, "grant_taken", **about, permission=given, actor=actor)
        return bool(gone.rowcount)

    async def forget(self, resource: str, *, actor: str | None = None) -> int:
        """How many went: all on a resource that is no more, and on all below it."""
        escaped = resource.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        of_it = sa.or_(
            grants.c.permission.like(f"{escaped}:%", escape="\\"),
            grants.c.permission.like(f"{escaped}/%", escape="\\"),
        )
        async with self._epoch.write() as connection:
            gone = await connection.execute(grants.delete().where(of_it))
            if gone.rowcount:
                await record(connection, "grants_forgotten", resource=resource, actor=actor)
        return gone.rowcount


def _about(kind: Kind, holder: str) -> dict[str, str]:
    return {"account": holder} if kind == "principal" else {"group": holder}
