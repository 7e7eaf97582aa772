"""/admin/log: the audit log, a page at a time or as a file."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from backends.sql import Sql
from plugins.auth.admin.operation import Call, Operation
from plugins.auth.admin.paging import Limit, Text
from plugins.auth.audit.exporting import FORMATS, exported
from plugins.auth.audit.log import record
from plugins.auth.audit.reading import Line, Wanted, everything, page
from plugins.auth.problem import HEADERS

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Lines(msgspec.Struct, frozen=True):
    """The newest first. next: the cursor of the page that follows, if there may be one."""

    lines: list[Line]
    next: int | None


class LogFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """actor: `account:ID`, `client:ID` or `command`. since, until: UTC seconds since 1970."""

    account: Text = ""
    client: Text = ""
    actor: Text = ""
    event: Text = ""
    since: Number = 0
    until: Number = 0


class LogQuery(LogFilter, frozen=True, forbid_unknown_fields=True):
    cursor: Number | None = None
    limit: Limit = 50


class ExportQuery(LogFilter, frozen=True, forbid_unknown_fields=True):
    format: Literal["ndjson", "csv"] = "ndjson"


class LogApi:
    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def operations(self) -> list[Operation]:
        kinds = tuple(kind for kind, _, _ in FORMATS.values())
        return [
            Operation("GET", "/admin/log", "Lines of the log", self.page, Lines, query=LogQuery),
            Operation(
                "GET", "/admin/log/export", "All lines, the oldest first", self.export,
                query=ExportQuery, streams=kinds,
            ),
        ]  # fmt: skip

    async def page(self, call: Call) -> Lines:
        query: LogQuery = call.query
        lines = list(await page(self._sql, _wanted(query), query.cursor, query.limit))
        return Lines(lines, lines[-1].id if len(lines) == query.limit else None)

    async def export(self, call: Call) -> web.StreamResponse:
        """Who takes the log away is a line of it."""
        query: ExportQuery = call.query
        name, address = call.actor
        async with self._sql.write() as connection:
            await record(connection, "log_exported", actor=name, address=address)
        named = f'attachment; filename="audit.{query.format}"'
        response = web.StreamResponse(headers={**HEADERS, "Content-Disposition": named})
        response.content_type = FORMATS[query.format][0]
        await response.prepare(call.request)
        async for part in exported(everything(self._sql, _wanted(query)), query.format):
            await response.write(part)
        await response.write_eof()
        return response


def _wanted(query: LogFilter) -> Wanted:
    return Wanted(query.account, query.client, query.actor, query.event, query.since, query.until)
