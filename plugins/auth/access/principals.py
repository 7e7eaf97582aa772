"""What a principal holds, by itself, by its groups and in its organisations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access.permission import within
from plugins.auth.access.tables import (
    group_members,
    groups,
    memberships,
    roles,
    scopes,
    service_accounts,
)
from plugins.auth.accounts.tables import accounts
from plugins.auth.cache.cached import Cached
from plugins.auth.cache.epoch import Epoch

KEPT = 5000
ABSENT, DISABLED = "absent", "disabled"
Stands = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Membership:
    organisation_id: str
    owner: bool
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Principal:
    """roles: its own and its groups'. permissions: of all roles, those in organisations below
    `organisations/ID`."""

    id: str
    roles: frozenset[str]
    groups: frozenset[str]
    memberships: Mapping[str, Membership]
    permissions: frozenset[str]


class Principals:
    """Read from the database, and remembered until something changes."""

    def __init__(self, sql: Sql, epoch: Epoch, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._known: Cached[Principal | str] = Cached(
            epoch, KEPT, "principal", Principal | str, clock=clock
        )
        self._scopes: Cached[Stands] = Cached(epoch, 4, "scopes", Stands, clock=clock)

    async def get(self, subject: str) -> Principal | None:
        """By the id of an account, a service account or its client; None when it is not there,
        or disabled. Raises BackendError."""
        found = await self._look(subject)
        return found if isinstance(found, Principal) else None

    async def disabled(self, subject: str) -> bool:
        """Whether it is there, and may do nothing. Raises BackendError."""
        return await self._look(subject) == DISABLED

    async def scopes(self) -> Stands:
        """The permissions that each stands for. Raises BackendError."""
        known = self._scopes.get("all")
        if known is None:
            known = await self._scopes.find("all", "all", self._read_scopes)
        return known or {}

    async def _read_scopes(self) -> Stands:
        async with self._sql.read() as connection:
            found = await connection.execute(sa.select(scopes.c.name, scopes.c.permissions))
            return {row.name: frozenset(row.permissions.split()) for row in found}

    async def _look(self, subject: str) -> Principal | str:
        known = self._known.get(subject)
        if known is None:
            known = await self._known.find(subject, subject, lambda: self._read(subject))
        return known or ABSENT

    async def _read(self, subject: str) -> Principal | str:
        async with self._sql.read() as connection:
            return await _read(connection, subject)


async def _read(connection: AsyncConnection, subject: str) -> Principal | str:
    person = sa.select(accounts.c.id, accounts.c.roles, accounts.c.disabled)
    row = (await connection.execute(person.where(accounts.c.id == subject))).first()
    if row is None:
        table = service_accounts.c
        either = sa.or_(table.id == subject, table.client_id == subject)
        robot = sa.select(table.id, table.roles, table.disabled).where(either)
        row = (await connection.execute(robot)).first()
    if row is None or row.disabled:
        return ABSENT if row is None else DISABLED
    held, member_of = set(row.roles.split()), set()
    for group in await connection.execute(_groups(row.id)):
        member_of.add(group.name)
        held.update(group.roles.split())
    joined = {
        each.organisation_id: Membership(
            each.organisation_id, each.owner, frozenset(each.roles.split())
        )
        for each in await connection.execute(_memberships(row.id))
    }
    permissions = await _permissions(connection, held, joined.values())
    return Principal(row.id, frozenset(held), frozenset(member_of), joined, permissions)


async def _permissions(
    connection: AsyncConnection, held: set[str], joined: Iterable[Membership]
) -> frozenset[str]:
    named = held.union(*(each.roles for each in joined))
    query = sa.select(roles.c.name, roles.c.permissions).where(roles.c.name.in_(named))
    rows = (await connection.execute(query)).all() if named else []
    stands = {row.name: row.permissions.split() for row in rows}
    found = {each for name in held for each in stands.get(name, ())}
    for membership in joined:
        place = f"organisations/{membership.organisation_id}"
        if membership.owner:
            found.add(within(place, "**:*"))
        for name in membership.roles:
            found.update(within(place, each) for each in stands.get(name, ()))
    return frozenset(found)


def _groups(principal_id: str) -> sa.Select[Any]:
    return (
        sa.select(groups.c.name, groups.c.roles)
        .join(group_members, group_members.c.group_name == groups.c.name)
        .where(group_members.c.principal_id == principal_id)
    )


def _memberships(principal_id: str) -> sa.Select[Any]:
    return sa.select(memberships).where(memberships.c.account_id == principal_id)
