"""The audit log: what is in it stays, and can be found and taken away."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest
import sqlalchemy as sa

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.audit.exporting import exported
from plugins.auth.audit.log import record
from plugins.auth.audit.options import LEAST
from plugins.auth.audit.reading import Line, Wanted, everything, page
from plugins.auth.audit.tables import events
from plugins.auth.pruning import Pruning


async def write(sql: Sql, *lines: dict[str, str]) -> None:
    async with sql.write() as connection:
        for line in lines:
            await record(connection, **line)


def numbers(lines: list[Line]) -> list[object]:
    return [line.details.get("n") for line in lines]


async def found(sql: Sql, wanted: Wanted) -> list[Line]:
    return [line for some in [s async for s in everything(sql, wanted)] for line in some]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE auth_audit SET event = 'other'", "DELETE FROM auth_audit", "TRUNCATE auth_audit"],
)
async def test_the_database_refuses_to_change_or_delete_a_line(sql: Sql, statement: str) -> None:
    await write(sql, {"event": "logged_in", "account": "ada"})
    with pytest.raises(BackendError):
        async with sql.write() as connection:
            await connection.execute(sa.text(statement))
    assert [line.event for line in await page(sql, Wanted(), None, 10)] == ["logged_in"]


async def test_lines_are_pruned_after_their_time_and_not_before(sql: Sql) -> None:
    now = int(time.time())
    async with sql.write() as connection:
        for age in (0, LEAST + 100, LEAST + 1000):
            line = {"at": now - age, "event": "logged_in", "details": "{}"}
            await connection.execute(events.insert().values(line))
    await Pruning(sql, kept=LEAST + 500).prune()
    assert [line.at for line in await page(sql, Wanted(), None, 10)] == [now - LEAST - 100, now]


async def test_lines_are_found_by_whom_and_what_they_tell_of(sql: Sql) -> None:
    await write(
        sql,
        {"event": "logged_in", "account": "ada", "n": "1"},
        {"event": "logged_in", "account": "bob", "n": "2"},
        {"event": "token_revoked", "client": "reports", "n": "3"},
        {"event": "user_disabled", "account": "bob", "actor": "account:ada", "n": "4"},
    )
    for wanted, right in (
        (Wanted(account="bob"), ["2", "4"]),
        (Wanted(client="reports"), ["3"]),
        (Wanted(event="logged_in"), ["1", "2"]),
        (Wanted(event="logged_in", account="ada"), ["1"]),
        (Wanted(actor="account:ada"), ["4"]),
        (Wanted(since=int(time.time()) + 60), []),
        (Wanted(until=int(time.time()) + 60), ["1", "2", "3", "4"]),
        (Wanted(until=int(time.time()) - 60), []),
    ):
        assert numbers(await found(sql, wanted)) == right
        assert numbers(list(await page(sql, wanted, None, 10))) == right[::-1]


async def test_pages_follow_each_other_while_lines_are_added(sql: Sql) -> None:
    await write(sql, *({"event": "forgot", "n": str(n)} for n in range(5)))
    first = await page(sql, Wanted(), None, 2)
    await write(sql, {"event": "forgot", "n": "new"})
    second = await page(sql, Wanted(), first[-1].id, 2)
    assert numbers([*first, *second]) == ["4", "3", "2", "1"]


async def test_an_export_has_every_line_once(sql: Sql) -> None:
    async with sql.write() as connection:
        values = {"at": 5, "event": "forgot", "details": "{}"}
        await connection.execute(events.insert(), [values] * 2500)
    text = b"".join([part async for part in exported(everything(sql, Wanted()), "ndjson")])
    ids = [json.loads(line)["id"] for line in text.splitlines()]
    assert len(ids) == 2500
    assert ids == sorted(set(ids))


async def test_a_spreadsheet_computes_nothing_of_an_export(sql: Sql) -> None:
    await write(sql, {"event": "login_failed", "session": '=cmd|"x"', "n": 'a,"b"\n'})
    text = b"".join([part async for part in exported(everything(sql, Wanted()), "csv")]).decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["session"] == '\'=cmd|"x"'
    assert json.loads(row["details"]) == {"n": 'a,"b"\n'}
