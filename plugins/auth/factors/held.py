"""Which second factors an account has, and the lock under which the last one goes."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.accounts.tables import accounts
from plugins.auth.factors.tables import passkeys, recovery_codes, totp

MINE: sa.BindParameter[str] = sa.bindparam("account")
HELD = sa.select(
    sa.select(sa.func.count())
    .select_from(totp)
    .where(totp.c.account_id == MINE, totp.c.confirmed)
    .scalar_subquery()
    .label("app"),
    sa.select(sa.func.count())
    .select_from(passkeys)
    .where(passkeys.c.account_id == MINE)
    .scalar_subquery()
    .label("passkeys"),
)


class Held(NamedTuple):
    """app: an authenticator app that is set up. passkeys: how many."""

    app: bool
    passkeys: int


async def held(connection: AsyncConnection, account_id: str) -> Held:
    row = (await connection.execute(HELD, {"account": account_id})).one()
    return Held(bool(row.app), row.passkeys)


async def lock(connection: AsyncConnection, account_id: str) -> bool:
    """Until the end of the transaction; whether the account has a password."""
    query = sa.select(accounts.c.password).where(accounts.c.id == account_id)
    row = (await connection.execute(query.with_for_update())).first()
    return row is not None and row.password is not None


async def drop_codes_of_none(connection: AsyncConnection, account_id: str) -> None:
    """Recovery codes stand in for a second factor: with the last one they go."""
    if not any(await held(connection, account_id)):
        mine = recovery_codes.c.account_id == account_id
        await connection.execute(recovery_codes.delete().where(mine))


async def drop_offered(connection: AsyncConnection, account_id: str) -> None:
    """An app that was not confirmed: somebody else may have seen its secret, which stays the same
    until it is."""
    mine = sa.and_(totp.c.account_id == account_id, ~totp.c.confirmed)
    await connection.execute(totp.delete().where(mine))
