"""Failures counted before the check, so that guesses at the same time cannot outrun the count."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.inserting import insert
from plugins.auth.accounts.tables import attempts

PAUSE, LONGEST_PAUSE, DOUBLINGS = 60, 3600, 6
FORGOTTEN = 86400
NOW = sa.bindparam("now", type_=sa.BigInteger)
FREE = sa.bindparam("free", type_=sa.Integer)
MINE = attempts.c.key == sa.bindparam("subject")
OPEN_AT = sa.select(attempts.c.open_at).where(MINE)
FORGET = attempts.delete().where(MINE)
UNCOUNT = (
    attempts.update()
    .where(MINE, attempts.c.count > 0)
    .values(
        count=attempts.c.count - 1,
        open_at=sa.case((attempts.c.count <= FREE, 0), else_=attempts.c.open_at),
    )
)


class Counted(NamedTuple):
    """wait: seconds, 0 for none. last: if it is a failure, pauses begin."""

    wait: int
    last: bool


class Attempts:
    """`free` failures, then pauses that double from a minute to an hour; forgotten after a day."""

    def __init__(self, sql: Sql, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counting = _counting(sql)

    async def begin(self, connection: AsyncConnection, subject: str, free: int) -> int:
        """Count a failure beforehand. 0, or in how many seconds it may be tried again.

        One statement: of parallel calls exactly `free` are let through.
        """
        return (await self.counted(connection, subject, free)).wait

    async def counted(self, connection: AsyncConnection, subject: str, free: int) -> Counted:
        """The same, and whether it is the one that pauses follow on."""
        now, key = int(self._clock()), _key(subject)
        first = {"key": key, "count": 1, "open_at": now + PAUSE if free == 1 else 0}
        values = {**first, "forget_at": now + FORGOTTEN, "now": now, "free": free}
        if (number := (await connection.execute(self._counting, values)).scalar()) is not None:
            return Counted(0, number == free)
        open_at = (await connection.execute(OPEN_AT, {"subject": key})).scalar()
        return Counted(max(1, (open_at or 0) - now), False)

    async def succeeded(self, connection: AsyncConnection, subject: str) -> None:
        """It was no failure: nothing of this subject's is held against it any more."""
        await connection.execute(FORGET, {"subject": _key(subject)})

    async def uncount(self, connection: AsyncConnection, subject: str, free: int) -> None:
        """It was no failure, and the ones before remain."""
        await connection.execute(UNCOUNT, {"subject": _key(subject), "free": free})


def block_of(address: str) -> str:
    """Of IPv6 a /64, which one household has."""
    if ":" not in address:
        return address
    parsed = IPv6Address(address.partition("%")[0])
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.packed[:8].hex()


def _counting(sql: Sql) -> sa.Executable:
    """Counts on where there is a row and no pause, and answers with a row if it did."""
    adding = insert(sql, attempts)
    fresh = attempts.c.forget_at <= NOW
    count = sa.case((fresh, 1), else_=attempts.c.count + 1)
    pauses = [(count == FREE + n, NOW + PAUSE * 2**n) for n in range(DOUBLINGS)]
    open_at = sa.case((count < FREE, 0), *pauses, else_=NOW + LONGEST_PAUSE)
    return adding.on_conflict_do_update(
        index_elements=[attempts.c.key],
        set_={"count": count, "open_at": open_at, "forget_at": adding.excluded.forget_at},
        where=attempts.c.open_at <= NOW,
    ).returning(attempts.c.count)


def _key(subject: str) -> bytes:
    return hashlib.sha256(subject.encode()).digest()
