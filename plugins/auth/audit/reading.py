"""The audit log, read: a page at a time, or all of it as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import orjson
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.audit.tables import events

BATCH = 1000


class Line(msgspec.Struct, frozen=True):
    """at: UTC seconds since 1970. actor: who did it, when it is an operator."""

    id: int
    at: int
    event: str
    account: str | None
    client: str | None
    session: str | None
    address: str | None
    actor: str | None
    details: dict[str, Any]


class Wanted(msgspec.Struct, frozen=True):
    """since, until: UTC seconds since 1970, the first within and the other not."""

    account: str = ""
    client: str = ""
    actor: str = ""
    event: str = ""
    since: int = 0
    until: int = 0


async def page(sql: Sql, wanted: Wanted, before: int | None, limit: int) -> Sequence[Line]:
    """The newest first; those below the number `before` when there is one. Raises BackendError."""
    query = _query(wanted)
    if before is not None:
        query = query.where(events.c.id < before)
    async with sql.read() as connection:
        rows = await connection.execute(query.order_by(events.c.id.desc()).limit(limit))
        return [_line(row) for row in rows]


async def everything(sql: Sql, wanted: Wanted) -> AsyncIterator[Sequence[Line]]:
    """The oldest first, up to what is the newest by now; no batch holds a connection longer
    than it is read. Raises BackendError."""
    newest, last = await _newest(sql), 0
    while True:
        query = _query(wanted).where(events.c.id > last, events.c.id <= newest)
        async with sql.read() as connection:
            rows = await connection.execute(query.order_by(events.c.id).limit(BATCH))
            lines = [_line(row) for row in rows]
        if not lines:
            return
        yield lines
        last = lines[-1].id


async def _newest(sql: Sql) -> int:
    async with sql.read() as connection:
        return (await connection.execute(sa.select(sa.func.max(events.c.id)))).scalar() or 0


def _query(wanted: Wanted) -> sa.Select[Any]:
    query = sa.select(events)
    for column, value in (
        (events.c.account_id, wanted.account),
        (events.c.client_id, wanted.client),
        (events.c.actor, wanted.actor),
        (events.c.event, wanted.event),
    ):
        if value:
            query = query.where(column == value)
    if wanted.since:
        query = query.where(events.c.at >= wanted.since)
    return query.where(events.c.at < wanted.until) if wanted.until else query


def _line(row: Any) -> Line:
    return Line(
        row.id,
        row.at,
        row.event,
        row.account_id,
        row.client_id,
        row.session_id,
        row.address,
        row.actor,
        orjson.loads(row.details),
    )
