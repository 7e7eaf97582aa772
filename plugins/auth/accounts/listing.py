"""Accounts as operators look them up."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.roles import holds
from plugins.auth.accounts.account import Account, account_of
from plugins.auth.accounts.policy import key_of
from plugins.auth.accounts.tables import accounts


async def listed(
    sql: Sql,
    *,
    text: str = "",
    role: str = "",
    disabled: bool | None = None,
    after: tuple[int, str] | None = None,
    limit: int = 50,
) -> Sequence[Account]:
    """The newest first. text: part of an address or a name. after: `created_at` and `id` of the
    last one of the page before. Raises BackendError."""
    newest = (accounts.c.created_at.desc(), accounts.c.id.desc())
    query = sa.select(accounts).order_by(*newest).limit(limit)
    if text:
        address = accounts.c.email_key.contains(key_of(text), autoescape=True)
        name = sa.func.lower(accounts.c.name).contains(text.lower(), autoescape=True)
        query = query.where(sa.or_(address, name))
    if role:
        query = query.where(holds(accounts, role))
    if disabled is not None:
        query = query.where(accounts.c.disabled == disabled)
    if after is not None:
        query = query.where(sa.tuple_(accounts.c.created_at, accounts.c.id) < after)
    async with sql.read() as connection:
        return [account_of(row) for row in await connection.execute(query)]


async def with_address(sql: Sql, email: str) -> Account | None:
    query = sa.select(accounts).where(accounts.c.email_key == key_of(email))
    async with sql.read() as connection:
        row = (await connection.execute(query)).first()
    return account_of(row) if row is not None else None
