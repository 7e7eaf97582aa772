"""Whether a person still stands behind a grant."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.accounts.account import Account, account_of
from plugins.auth.accounts.sessions import LIVES, Sessions
from plugins.auth.accounts.tables import accounts
from plugins.auth.accounts.tables import sessions as held

QUERY = (
    sa.select(accounts, held.c.seen_at)
    .outerjoin(held, sa.and_(held.c.id == sa.bindparam("session"), LIVES))
    .where(accounts.c.id == sa.bindparam("account"), ~accounts.c.disabled)
)


class Standing(NamedTuple):
    """session: whether it lives."""

    account: Account
    session: bool


async def standing(
    connection: AsyncConnection, sessions: Sessions, account_id: str, session_id: str
) -> Standing | None:
    """None when the account is no more, or disabled. The session is noted as used."""
    which = {"account": account_id, "session": session_id, **sessions.when()}
    row = (await connection.execute(QUERY, which)).first()
    if row is None:
        return None
    if row.seen_at is not None:
        await sessions.used(connection, session_id, row.seen_at)
    return Standing(account_of(row), row.seen_at is not None)
