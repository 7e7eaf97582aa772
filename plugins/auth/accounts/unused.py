"""Accounts that were made and nothing more: whoever registered an address of somebody else, or
never came back, leaves no row for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record
from plugins.auth.audit.tables import events

DAY = 86400
LOOKED_AT = 7 * DAY
"""Seconds after its time for which an account is looked at, so that those that are older, which
the log may tell nothing of any more, are left alone."""
NOTHING = ("registered", "registered_again", "login_failed")
BATCH = 50
Removed = Callable[[AsyncConnection, str], Awaitable[None]]


class Unused:
    """lasts: seconds after which they go; 0: never. removed: deletes one with all it has."""

    def __init__(self, sql: Sql, lasts: int, removed: Removed) -> None:
        self._sql = sql
        self._lasts = lasts
        self._removed = removed

    async def prune(self, now: int) -> bool:
        """Whether there may be more. An address that was confirmed, a log-in, whatever an operator
        did: anything in the log about an account keeps it. Raises BackendError."""
        if not self._lasts:
            return False
        until = now - self._lasts
        happened = sa.exists().where(
            events.c.account_id == accounts.c.id, events.c.event.not_in(NOTHING)
        )
        begun = sa.exists().where(events.c.account_id == accounts.c.id)
        unused = (
            sa.select(accounts.c.id)
            .where(accounts.c.created_at <= until, accounts.c.created_at > until - LOOKED_AT)
            .where(~accounts.c.email_verified, begun, ~happened)
            .order_by(accounts.c.created_at)
            .limit(BATCH)
        )
        async with self._sql.read() as connection:
            if (await connection.execute(unused)).first() is None:
                return False
        async with self._sql.write() as connection:
            locked = unused.with_for_update(of=accounts)
            ids = list((await connection.execute(locked)).scalars())
            for each in ids:
                await self._removed(connection, each)
                await record(connection, "account_unused", account=each)
        return len(ids) == BATCH
