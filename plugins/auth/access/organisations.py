"""Organisations (tenants) and who is a member of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.errors import LastOwner, Missing, TooMany
from plugins.auth.access.leaving import drop_empty
from plugins.auth.access.options import AccessOptions
from plugins.auth.access.roles import existing
from plugins.auth.access.tables import grants, invitations, memberships, organisations
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch

OnLeave = Callable[[AsyncConnection, str, Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Organisation:
    """created_at, updated_at: UTC seconds since 1970."""

    id: str
    name: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Member:
    """roles: held below `organisations/ID` only. owner: looks after the organisation."""

    organisation: Organisation
    account_id: str
    email: str
    name: str
    owner: bool
    roles: tuple[str, ...]
    joined_at: int


class Organisations:
    """actor: who does it, as the audit log has it. clock: UTC seconds since 1970."""

    def __init__(
        self,
        sql: Sql,
        epoch: Epoch,
        options: AccessOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._epoch = epoch
        self._options = options
        self._clock = clock
        self._left: list[OnLeave] = []

    def on_leave(self, callback: OnLeave) -> None:
        """Called with an organisation and accounts that are no members any more, in the
        transaction that removes them."""
        self._left.append(callback)

    async def page(self, *, after: str = "", limit: int = 100) -> list[Organisation]:
        """In the order of ids, those that come after one."""
        table = organisations
        query = sa.select(table).where(table.c.id > after).order_by(table.c.id).limit(limit)
        async with self._sql.read() as connection:
            return [_organisation(row) for row in await connection.execute(query)]

    async def get(self, organisation_id: str) -> Organisation | None:
        query = sa.select(organisations).where(organisations.c.id == organisation_id)
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _organisation(row)

    async def create(
        self, name: str, owner: str, *, bounded: bool = True, actor: str | None = None
    ) -> Organisation:
        """bounded: by how many the owner may have made. Raises ValueError, Missing, TooMany."""
        now = int(self._clock())
        made = Organisation(secrets.token_hex(16), _name(name), now, now)
        async with self._epoch.write() as connection:
            await _held(connection, accounts, owner)
            if bounded:
                await self._room(connection, owner)
            await connection.execute(
                organisations.insert().values(
                    id=made.id, name=made.name, created_at=now, updated_at=now
                )
            )
            await connection.execute(
                memberships.insert().values(
                    organisation_id=made.id, account_id=owner, owner=True, roles="", joined_at=now
                )
            )
            await record(
                connection, "organisation_created", account=owner, organisation=made.id, actor=actor
            )
        return made

    async def rename(
        self, organisation_id: str, name: str, *, actor: str | None = None
    ) -> Organisation:
        """Raises ValueError and Missing."""
        mine = organisations.update().where(organisations.c.id == organisation_id)
        changing = mine.values(name=_name(name), updated_at=int(self._clock()))
        async with self._epoch.write() as connection:
            row = (await connection.execute(changing.returning(organisations))).first()
            if row is None:
                raise Missing("there is no such organisation")
            await record(connection, "organisation_renamed", organisation=row.id, actor=actor)
        return _organisation(row)

    async def delete(self, organisation_id: str, *, actor: str | None = None) -> bool:
        """Whether there was one; members, invitations and grants below it go with it."""
        gone = organisations.delete().where(organisations.c.id == organisation_id)
        async with self._epoch.write() as connection:
            if not (await connection.execute(gone)).rowcount:
                return False
            its_own = memberships.delete().where(memberships.c.organisation_id == organisation_id)
            members = await connection.execute(its_own.returning(memberships.c.account_id))
            await self._tell(connection, organisation_id, list(members.scalars()))
            open_ones = invitations.c.organisation_id == organisation_id
            await connection.execute(invitations.delete().where(open_ones))
            below = grants.c.permission.startswith(f"organisations/{organisation_id}/")
            await connection.execute(grants.delete().where(below))
            await record(
                connection, "organisation_deleted", organisation=organisation_id, actor=actor
            )
        return True

    async def of(self, account_id: str) -> list[Member]:
        """The memberships of one account, in the order of the organisations' names."""
        query = _members().where(memberships.c.account_id == account_id)
        async with self._sql.read() as connection:
            found = await connection.execute(
                query.order_by(organisations.c.name, memberships.c.organisation_id)
            )
            return [_member(row) for row in found]

    async def members(
        self, organisation_id: str, *, after: str = "", limit: int = 100
    ) -> list[Member]:
        """In the order of accounts' ids, those that come after one."""
        query = _members().where(
            memberships.c.organisation_id == organisation_id, memberships.c.account_id > after
        )
        async with self._sql.read() as connection:
            found = await connection.execute(query.order_by(memberships.c.account_id).limit(limit))
            return [_member(row) for row in found]

    async def member(self, organisation_id: str, account_id: str) -> Member | None:
        query = _members().where(_one(organisation_id, account_id))
        async with self._sql.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _member(row)

    async def add(
        self,
        organisation_id: str,
        account_id: str,
        *,
        owner: bool = False,
        roles: Iterable[str] = (),
        actor: str | None = None,
    ) -> bool:
        """Whether the account was no member before. Raises Missing and ValueError."""
        async with self._epoch.write() as connection:
            await _held(connection, organisations, organisation_id)
            await _held(connection, accounts, account_id)
            membership = {
                "organisation_id": organisation_id,
                "account_id": account_id,
                "owner": owner,
                "roles": await existing(connection, roles),
                "joined_at": int(self._clock()),
            }
            return await join(connection, self._sql, membership, actor)

    async def set_member(
        self,
        organisation_id: str,
        account_id: str,
        *,
        owner: bool | None = None,
        roles: Iterable[str] | None = None,
        actor: str | None = None,
    ) -> None:
        """What is None stays. Raises Missing, LastOwner and ValueError."""
        values: dict[str, Any] = {}
        async with self._epoch.write() as connection:
            await _held(connection, organisations, organisation_id)
            if roles is not None:
                values["roles"] = await existing(connection, roles)
            if owner is not None:
                values["owner"] = owner
                if not owner:
                    await _another_owner(connection, organisation_id, account_id)
            mine = memberships.update().where(_one(organisation_id, account_id))
            values = values or {"owner": memberships.c.owner}
            if not (await connection.execute(mine.values(values))).rowcount:
                raise Missing("there is no such member")
            await record(
                connection,
                "member_changed",
                account=account_id,
                organisation=organisation_id,
                owner=owner,
                roles=values.get("roles"),
                actor=actor,
            )

    async def remove(
        self, organisation_id: str, account_id: str, *, actor: str | None = None
    ) -> bool:
        """Whether there was such a member. Whoever is alone takes the organisation along.

        Raises LastOwner.
        """
        async with self._epoch.write() as connection:
            try:
                await _held(connection, organisations, organisation_id)
            except Missing:
                return False
            others = sa.select(memberships.c.account_id).where(
                memberships.c.organisation_id == organisation_id,
                memberships.c.account_id != account_id,
            )
            if (await connection.execute(others.limit(1))).first() is not None:
                await _another_owner(connection, organisation_id, account_id)
            one = memberships.delete().where(_one(organisation_id, account_id))
            if not (await connection.execute(one)).rowcount:
                return False
            await self._tell(connection, organisation_id, [account_id])
            await drop_empty(connection, [organisation_id])
            await record(
                connection,
                "member_left",
                account=account_id,
                organisation=organisation_id,
                actor=actor,
            )
        return True

    async def _tell(
        self, connection: AsyncConnection, organisation_id: str, left: Sequence[str]
    ) -> None:
        for callback in self._left:
            await callback(connection, organisation_id, left)

    async def _room(self, connection: AsyncConnection, owner: str) -> None:
        count = sa.select(sa.func.count()).select_from(memberships)
        mine = count.where(memberships.c.account_id == owner, memberships.c.owner)
        if (await connection.execute(mine)).scalar_one() >= self._options.organisations:
            raise TooMany(f"{self._options.organisations} organisations at most")


async def join(
    connection: AsyncConnection, sql: Sql, membership: Mapping[str, Any], actor: str | None
) -> bool:
    """Whether the account was no member before. membership: a row, as it is kept."""
    adding = insert(sql, memberships).values(membership).on_conflict_do_nothing()
    added = bool((await connection.execute(adding)).rowcount)
    if added:
        await record(
            connection,
            "member_joined",
            account=membership["account_id"],
            organisation=membership["organisation_id"],
            owner=membership["owner"],
            roles=membership["roles"],
            actor=actor,
        )
    return added


async def _held(connection: AsyncConnection, table: sa.Table, row_id: str) -> None:
    """The row stays, and no other such block is in the organisation. Raises Missing."""
    query = sa.select(table.c.id).where(table.c.id == row_id).with_for_update()
    if (await connection.execute(query)).first() is None:
        raise Missing(f"there is no such {'organisation' if table is organisations else 'account'}")


async def _another_owner(
    connection: AsyncConnection, organisation_id: str, account_id: str
) -> None:
    """Raises LastOwner when this account is the only one."""
    owners = sa.select(memberships.c.account_id).where(
        memberships.c.organisation_id == organisation_id, memberships.c.owner
    )
    if list((await connection.execute(owners.limit(2))).scalars()) == [account_id]:
        raise LastOwner("the organisation has no other owner")


def _one(organisation_id: str, account_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        memberships.c.organisation_id == organisation_id, memberships.c.account_id == account_id
    )


def _members() -> sa.Select[Any]:
    return (
        sa.select(
            memberships,
            organisations.c.name.label("organisation"),
            organisations.c.created_at,
            organisations.c.updated_at,
            accounts.c.email,
            accounts.c.name,
        )
        .join(organisations, organisations.c.id == memberships.c.organisation_id)
        .join(accounts, accounts.c.id == memberships.c.account_id)
    )


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("an organisation has a name")
    return permission.words(text, 100, "a name")


def _organisation(row: Any) -> Organisation:
    return Organisation(row.id, row.name, row.created_at, row.updated_at)


def _member(row: Any) -> Member:
    its = Organisation(row.organisation_id, row.organisation, row.created_at, row.updated_at)
    roles = tuple(row.roles.split())
    return Member(its, row.account_id, row.email, row.name, row.owner, roles, row.joined_at)
