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
