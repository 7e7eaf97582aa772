"""Roles: names for permissions, held by accounts, service accounts, groups and members."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.access import permission
from plugins.auth.access.bundles import Bundle, Bundles
from plugins.auth.access.errors import BuiltIn, Missing
from plugins.auth.access.tables import groups, invitations, memberships, roles, service_accounts
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record

ADMIN = "admin"
HELD = (accounts, service_accounts, groups, memberships, invitations)
"""Tables with a column `roles`."""
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Role(Bundle):
    """created_at, updated_at: UTC seconds since 1970."""


class Roles(Bundles[Role]):
    kind, table, made = "role", roles, Role

    def _new_name(self, name: str) -> str:
        return permission.name_of(name)

    def _may_change(self, name: str) -> None:
        if name == ADMIN:
            raise BuiltIn("the role admin stays as it is")

    async def _gone(self, connection: AsyncConnection, name: str) -> None:
        for table in HELD:
            without = sa.func.replace(_spaced(table), f" {name} ", " ")
            changing = table.update().where(holds(table, name))
            await connection.execute(changing.values(roles=sa.func.trim(without)))

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
