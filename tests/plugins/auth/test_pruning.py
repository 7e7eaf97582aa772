"""What is over goes, in batches; what lives stays."""

from __future__ import annotations

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.tables import attempts, links
from plugins.auth.pruning import BATCH, Pruning


async def test_rows_whose_time_is_over_go_batch_by_batch(sql: Sql) -> None:
    many = 2 * BATCH + 10
    old = [
        {
            "hash": n.to_bytes(32, "big"),
            "purpose": "reset",
            "account_id": "a",
            "email": "a@b.c",
            "expires_at": 100 if n < many else 1000,
        }
        for n in range(many + 5)
    ]
    async with sql.write() as connection:
        await connection.execute(links.insert(), old)
        await connection.execute(
            attempts.insert().values(key=b"k" * 32, count=1, open_at=0, forget_at=100)
        )
    pruning = Pruning(sql, lambda: 500.0)
    assert [await pruning.prune() for _ in range(3)] == [True, True, False]
    async with sql.read() as connection:
        for table, left in ((links, 5), (attempts, 0)):
            count = sa.select(sa.func.count()).select_from(table)
            assert (await connection.execute(count)).scalar_one() == left
