"""API keys that end soon: whoever has one hears in time to make another (ASVS 5.0 6.4.5)."""

from __future__ import annotations

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.tables import api_keys
from plugins.auth.accounts.tables import accounts
from plugins.auth.mail.outbox import enqueue

WEEK, BATCH = 7 * 86400, 100


class EndingKeys:
    """A letter a week before, once; none of keys that were made for a fortnight or less."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def tell(self, now: int) -> bool:
        """Whether there may be more. One statement, so no two letters. Raises BackendError."""
        lasts = api_keys.c.expires_at - api_keys.c.created_at
        soon = (
            sa.select(api_keys.c.id)
            .where(api_keys.c.expires_at > now, api_keys.c.expires_at <= now + WEEK)
            .where(~api_keys.c.warned, lasts > 2 * WEEK)
            .limit(BATCH)
        )
        async with self._sql.read() as connection:
            if (await connection.execute(soon)).first() is None:
                return False
        warning = api_keys.update().where(api_keys.c.id.in_(soon), ~api_keys.c.warned)
        warned = warning.values(warned=True).returning(api_keys.c.owner_id)
        async with self._sql.write() as connection:
            owners = (await connection.execute(warned)).scalars().all()
            mine = sa.select(accounts).where(accounts.c.id.in_(owners), ~accounts.c.disabled)
            for row in await connection.execute(mine):
                await enqueue(connection, "ending", row.email, row.locale, now, account_id=row.id)
        return len(owners) == BATCH
