"""What goes with a principal that is no more."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.access.tables import (
    api_keys,
    grants,
    group_members,
    invitations,
    memberships,
    organisations,
)


async def forget(connection: AsyncConnection, principal_id: str) -> None:
    """Within the block that ends the principal.

    An organisation without members goes too. One that has members and no owner left stays, and
    an admin names another: nobody becomes its owner by chance.
    """
    joined = sa.select(memberships.c.organisation_id).where(
        memberships.c.account_id == principal_id
    )
    found = list((await connection.execute(joined)).scalars())
    if found:
        held = sa.select(organisations.c.id).where(organisations.c.id.in_(found))
        await connection.execute(held.order_by(organisations.c.id).with_for_update())
    mine = grants.c.holder == principal_id
    await connection.execute(grants.delete().where(mine, grants.c.kind == "principal"))
    for column in (
        api_keys.c.owner_id,
        group_members.c.principal_id,
        invitations.c.invited_by,
        memberships.c.account_id,
    ):
        await connection.execute(sa.delete(column.table).where(column == principal_id))
    if found:
        await drop_empty(connection, found)


async def drop_empty(connection: AsyncConnection, ids: list[str]) -> None:
    """Those of the organisations that have no members."""
    left = sa.select(memberships.c.organisation_id).where(memberships.c.organisation_id.in_(ids))
    full = set((await connection.execute(left)).scalars())
    empty = [each for each in ids if each not in full]
    if empty:
        await connection.execute(
            invitations.delete().where(invitations.c.organisation_id.in_(empty))
        )
        await connection.execute(organisations.delete().where(organisations.c.id.in_(empty)))
