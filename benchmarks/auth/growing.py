"""`python -m benchmarks.auth.growing [engine] [tokens]`: a million grants, each with a refresh
token, and as many revoked access tokens, whose time is over; how fast they go, who waits, and
whether the database is any larger when as many come again."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from backends.catalogue import Backends
from backends.sql import Sql
from backends.sql.migrations import migrate
from benchmarks.auth.__main__ import ENGINES, say
from plugins.auth.oauth.tables import grants, revoked
from plugins.auth.plugin import Auth
from plugins.auth.pruning import Pruning

MANY, LIVING, AT_ONCE = 1_000_000, 1000, 50_000
NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT {0} UNION ALL SELECT n + 1 FROM numbers "
    "WHERE n < {1} - 1) SELECT {2} FROM numbers",
    "postgresql": "SELECT {2} FROM generate_series({0}, {1} - 1) AS numbers(n)",
}
BYTES = {"sqlite": "randomblob(32)", "postgresql": "sha256(n::text::bytea)"}
SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


async def filled(sql: Sql, first: int, many: int, over: int) -> None:
    """So many rows of both tables, that end at `over`, in UTC seconds since 1970."""
    raw = BYTES[sql.dialect]
    values = {
        grants: f"CAST(n AS VARCHAR), 'c', CAST(n % 1000 AS VARCHAR), 's', TRUE, 'openid', 1, "
        f"'pwd', 'aal1', '', {raw}, {raw}, 1, 1, {over}, {over}",
        revoked: f"{raw}, {over}, {over}",
    }
    columns = {
        grants: "id, client_id, account_id, session_id, offline, scopes, auth_time, amr, acr, jkt, "
        "current, previous, rotated_at, created_at, ends_at, expires_at",
        revoked: "hash, at, expires_at",
    }
    for begin in range(first, first + many, AT_ONCE):
        end = min(begin + AT_ONCE, first + many)
        async with sql.write() as connection:
            for table, row in values.items():
                rows = NUMBERS[sql.dialect].format(begin, end, row)
                text = f"INSERT INTO {table.name} ({columns[table]}) {rows}"
                await connection.execute(sa.text(text))


async def waits(sql: Sql, over: asyncio.Event) -> list[float]:
    """Milliseconds of one look-up after the other, until it is over."""
    query, found = sa.select(grants).where(grants.c.id == sa.bindparam("id")), []
    while not over.is_set():
        began = time.perf_counter()
        async with sql.read() as connection:
            await connection.execute(query, {"id": "1"})
        found.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(0.005)
    return sorted(found)


async def pruned(sql: Sql) -> tuple[float, list[float]]:
    """Seconds it took, and how long others waited meanwhile."""
    over, pruning, began = asyncio.Event(), Pruning(sql), time.perf_counter()
    others = asyncio.create_task(waits(sql, over))
    more = await pruning.prune()
    while more:
        await asyncio.sleep(0.01)  # as the plugin does
        more = await pruning.prune(more)
    over.set()
    return time.perf_counter() - began, await others


async def measured(engine: str, url: str, many: int) -> None:
    backends = Backends({"sql": url})
    await backends.ready(["sql"])
    sql, now = backends.sql, int(time.time())
    await migrate(sql, "auth", Auth.migrations.folder)
    await filled(sql, 0, LIVING, now + 86400)
    for turn in (1, 2):
        await filled(sql, LIVING, many, now - turn)
        async with sql.read() as connection:
            size = (await connection.execute(sa.text(SIZE[sql.dialect]))).scalar_one() / 2**20
        took, others = await pruned(sql)
        async with sql.read() as connection:
            count = sa.select(sa.func.count())
            left = [
                (await connection.execute(count.select_from(table))).scalar_one()
                for table in (grants, revoked)
            ]
        p50, p99 = others[len(others) // 2], others[len(others) * 99 // 100]
        say(
            f"  {engine:11}{many:10,} of each{size:8,.0f} MiB{2 * many / took:9,.0f} rows/s   "
            f"left {left}   others wait p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        )
    await backends.close()


def main(engine: str = "", many: str = str(MANY)) -> None:
    for name, start in ENGINES.items():
        if engine in ("", name):
            with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as url:
                asyncio.run(measured(name, url, int(many)))


if __name__ == "__main__":
    main(*sys.argv[1:3])
