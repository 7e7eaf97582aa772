"""What is used once gets through once, whoever races."""

from __future__ import annotations

import asyncio
import time

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.once.once import Once
from plugins.auth.once.tables import used
from plugins.auth.pruning import Pruning


async def test_of_twenty_at_once_one_is_first(sql: Sql) -> None:
    until, processes = int(time.time()) + 60, [Once(sql), Once(sql)]
    calls = [processes[n % 2].first("a", "jti", until) for n in range(20)]
    assert sorted(await asyncio.gather(*calls)) == [False] * 19 + [True]


async def test_what_another_has_signed_is_another_thing_until_its_time_is_over(sql: Sql) -> None:
    once, now = Once(sql), int(time.time())
    assert await once.first("a", "jti", now + 60)
    assert await once.first("b", "jti", now + 60)
    assert not await once.first("a", "jti", now + 60)
    await Pruning(sql, lambda: now + 60).prune()
    async with sql.read() as connection:
        count = sa.select(sa.func.count()).select_from(used)
        assert (await connection.execute(count)).scalar() == 0
