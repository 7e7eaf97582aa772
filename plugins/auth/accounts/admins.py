"""Who holds the role admin, which the last of them never loses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access.roles import ADMIN, holds
from plugins.auth.access.tables import group_members, groups
from plugins.auth.accounts.errors import LastAdmin
from plugins.auth.accounts.tables import accounts
from plugins.auth.cache.epoch import ACCESS
from plugins.auth.cache.tables import epochs


async def is_admin(sql: Sql, account_id: str) -> bool:
    """Whether the account has the role, itself or by a group, and is not disabled."""
    async with sql.read() as connection:
        return await _some(connection, accounts.c.id == account_id)


@asynccontextmanager
async def admin_kept(
    connection: AsyncConnection, which: sa.ColumnElement[bool]
) -> AsyncIterator[None]:
    """Around a change that may take the role from some accounts, late in its `write` block.

    Raises LastAdmin when nobody has it any more. The epoch's row is locked before that is asked:
    of two who take it from each other at once, the second sees what the first has done.
    """
    before = await _some(connection, which)
    yield
    if before:
        one = sa.select(epochs.c.number).where(epochs.c.id == ACCESS)
        await connection.execute(one.with_for_update())
        if not await _some(connection, sa.true()):
            raise LastAdmin("nobody else has the role admin")


def members_of(group: str) -> sa.ColumnElement[bool]:
    """The accounts that are in the group."""
    mine = sa.select(group_members.c.principal_id).where(group_members.c.group_name == group)
    return accounts.c.id.in_(mine)


async def _some(connection: AsyncConnection, which: sa.ColumnElement[bool]) -> bool:
    query = sa.select(accounts.c.id).where(_administers(), which).limit(1)
    return (await connection.execute(query)).first() is not None


def _administers() -> sa.ColumnElement[Any]:
    by_group = (
        sa.select(group_members.c.principal_id)
        .join(groups, groups.c.name == group_members.c.group_name)
        .where(holds(groups, ADMIN))
    )
    held = sa.or_(holds(accounts, ADMIN), accounts.c.id.in_(by_group))
    return sa.and_(~accounts.c.disabled, held)
