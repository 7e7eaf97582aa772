"""Names that stand for permissions: what roles and scopes have in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.errors import Missing, Taken
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch


@dataclass(frozen=True, slots=True)
class Bundle:
    """created_at, updated_at: UTC seconds since 1970."""

    name: str
    description: str
    permissions: tuple[str, ...]
    created_at: int
    updated_at: int


B = TypeVar("B", bound=Bundle)


class Bundles(ABC, Generic[B]):
    """Of one kind, in its table. actor: who does it, as the audit log has it. clock: UTC seconds
    since 1970."""

    kind: ClassVar[str]
    table: ClassVar[sa.Table]
    made: type[B]

    def __init__(self, sql: Sql, epoch: Epoch, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._epoch = epoch
        self._clock = clock

    @abstractmethod
    def _new_name(self, name: str) -> str:
        """Raises ValueError for what is no name of one."""

    def _may_change(self, name: str) -> None:
        """Raises BuiltIn."""

    async def _gone(self, connection: AsyncConnection, name: str) -> None:
        """What goes with it."""

    async def page(self, *, after: str = "", limit: int = 100) -> list[B]:
        """In the order of names, those that come after one."""
        names = self.table.c.name
        query = sa.select(self.table).where(names > after).order_by(names).limit(limit)
        async with self._sql.read() as connection:
            return [self._of(row) for row in await connection.execute(query)]

    async def get(self, name: str) -> B | None:
        query = sa.select(self.table).where(self.table.c.name == name)
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else self._of(row)

    async def create(
        self,
        name: str,
        permissions: Iterable[str],
        *,
        description: str = "",
        actor: str | None = None,
    ) -> B:
        """Raises ValueError and Taken."""
        now = int(self._clock())
        values = {
            "name": self._new_name(name),
            **_checked(permissions, description),
            "created_at": now,
            "updated_at": now,
        }
        adding = insert(self._sql, self.table).values(values).on_conflict_do_nothing()
        async with self._epoch.write() as connection:
            row = (await connection.execute(adding.returning(self.table))).first()
            if row is None:
                raise Taken(f"there is a {self.kind} of that name")
            await self._record(connection, "created", row, actor)
        return self._of(row)

    async def update(
        self,
        name: str,
        *,
        permissions: Iterable[str] | None = None,
        description: str | None = None,
        actor: str | None = None,
    ) -> B:
        """What is None stays. Raises ValueError, Missing and BuiltIn."""
        self._may_change(name)
        values = {"updated_at": int(self._clock()), **_checked(permissions, description)}
        changing = self.table.update().where(self.table.c.name == name).values(values)
        async with self._epoch.write() as connection:
            row = (await connection.execute(changing.returning(self.table))).first()
            if row is None:
                raise Missing(f"there is no such {self.kind}")
            await self._record(connection, "changed", row, actor)
        return self._of(row)

    async def delete(self, name: str, *, actor: str | None = None) -> bool:
        """Whether there was one; nobody may do anything by it any more. Raises BuiltIn."""
        self._may_change(name)
        async with self._epoch.write() as connection:
            gone = await connection.execute(self.table.delete().where(self.table.c.name == name))
            if gone.rowcount:
                await self._gone(connection, name)
                named = {self.kind: name}
                await record(connection, f"{self.kind}_deleted", actor=actor, **named)
        return bool(gone.rowcount)

    async def _record(
        self, connection: AsyncConnection, what: str, row: Any, actor: str | None
    ) -> None:
        named = {self.kind: row.name, "permissions": row.permissions}
        await record(connection, f"{self.kind}_{what}", actor=actor, **named)

    def _of(self, row: Any) -> B:
        permissions = tuple(row.permissions.split())
        return self.made(row.name, row.description, permissions, row.created_at, row.updated_at)


def _checked(permissions: Iterable[str] | None, description: str | None) -> dict[str, str]:
    """The columns of what is not None. Raises ValueError."""
    values = {}
    if permissions is not None:
        values["permissions"] = permission.joined(permissions)
    if description is not None:
        values["description"] = permission.description(description)
    return values
