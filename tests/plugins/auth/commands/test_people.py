"""`ait-gateway auth ...` about accounts and the log, in a process of its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from backends.sql import Sql
from plugins.auth.audit.reading import Wanted, page
from plugins.auth.oauth.tables import revoked
from tests.plugins.auth.accounts.test_operators import rows, signed_in
from tests.plugins.auth.commands.test_everyday import config, run
from tests.plugins.auth.people import ADDRESS, PASSWORD, People

__all__ = ["config"]
OTHER = "copper-meadow-51-saddle"


async def test_an_operator_has_what_is_needed_at_night(config: Path, sql: Sql) -> None:
    people = People(sql)
    ada = await people.ada()
    made = run(config, "create-admin", "--email", "root@example.org", given=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    found = json.loads(run(config, "list-users", "--text", "ADA").stdout)
    assert [(each["account_id"], each["disabled"]) for each in found] == [(ada, False)]
    assert json.loads(run(config, "disable-user", "ada@example.org").stdout)["disabled"]
    assert not json.loads(run(config, "enable-user", ada).stdout)["disabled"]
    set_ = run(config, "set-password", "ada@example.org", given=OTHER + "\n")
    assert set_.returncode == 0, set_.stderr
    assert OTHER not in set_.stdout
    assert (await people.directory.verify("ada@example.org", OTHER, ADDRESS)).id == ada
    await signed_in(sql, ada)
    assert json.loads(run(config, "revoke-sessions", ada).stdout)["ended"] == 1
    assert len(await rows(sql, revoked)) == 1
    assert run(config, "require-reset", ada).returncode == 0
    assert run(config, "unlock-user", ada).returncode == 0
    lines = await page(sql, Wanted(actor="command"), None, 10)
    assert [line.event for line in lines][::-1] == [
        "user_disabled",
        "user_enabled",
        "password_set",
        "sessions_revoked",
        "password_reset_required",
        "user_unlocked",
    ]
    told = run(config, "export-audit", "--actor", "command").stdout.splitlines()
    assert [json.loads(each)["id"] for each in told] == [line.id for line in lines][::-1]
    table = list(csv.DictReader(run(config, "export-audit", "--format", "csv").stdout.splitlines()))
    assert len(table) > len(lines)


async def test_the_first_admin_is_made_by_command_alone_and_stays(config: Path, sql: Sql) -> None:
    assert json.loads(run(config, "list-users").stdout) == []
    made = run(config, "create-admin", "--email", "root@example.org", given=PASSWORD + "\n")
    assert made.returncode == 0
    admins = json.loads(run(config, "list-users", "--role", "admin").stdout)
    assert [each["email"] for each in admins] == ["root@example.org"]
    refused = run(config, "disable-user", "root@example.org")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "last account with the role admin" in refused.stderr


def test_an_account_that_nobody_has_is_said_so(config: Path) -> None:
    ended = run(config, "unlock-user", "nobody@example.org")
    assert ended.returncode == 2
    assert "no such account" in ended.stderr
