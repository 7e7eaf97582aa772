"""Commands about accounts and the log, as `ait-gateway auth ...` carries them out."""

from __future__ import annotations

import csv
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from backends.sql import Sql
from gateway.app import configuration
from gateway.cli.plugin_commands import run as carried_out
from gateway.errors import GatewayError
from plugins.auth.audit.reading import Wanted, page
from plugins.auth.factors.tables import totp
from plugins.auth.oauth.tables import revoked
from tests.plugins.auth.accounts.test_operators import rows, signed_in
from tests.plugins.auth.commands.test_everyday import config
from tests.plugins.auth.people import PASSWORD, People

__all__ = ["config"]
Run = Callable[..., Awaitable[str]]


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """What a command prints; `given` is the password."""

    async def command(*words: str, given: str = PASSWORD) -> str:
        monkeypatch.setenv("AIT_GATEWAY_ADMIN_PASSWORD", given)
        await carried_out(configuration(config), "auth", words)
        return capsys.readouterr().out

    return command


async def told(run: Run, *words: str, **given: str) -> Any:
    return json.loads(await run(*words, **given))


async def test_an_operator_has_what_is_needed_at_night(run: Run, sql: Sql) -> None:
    people = People(sql)
    ada = await people.ada()
    await run("create-admin", "--email", "root@example.org")
    found = await told(run, "list-users", "--text", "ADA")
    assert [(each["account_id"], each["disabled"]) for each in found] == [(ada, False)]
    assert (await told(run, "grant-role", "ada@example.org", "admin"))["roles"] == ["admin"]
    assert (await told(run, "revoke-role", "ada@example.org", "admin"))["roles"] == []
    with pytest.raises(GatewayError, match="no such role"):
        await run("grant-role", ada, "nothing")
    with pytest.raises(GatewayError, match="nobody else"):
        await run("revoke-role", "root@example.org", "admin")
    assert (await told(run, "disable-user", "ada@example.org"))["disabled"]
    assert not (await told(run, "enable-user", ada))["disabled"]
    await signed_in(sql, ada)
    assert (await told(run, "revoke-sessions", ada))["ended"] == 1
    assert len(await rows(sql, revoked)) == 1
    async with sql.write() as connection:
        app = {"account_id": ada, "secret": b"", "confirmed": True, "last_step": 0}
        await connection.execute(totp.insert().values(app))
    for count in (1, 0):
        assert (await told(run, "remove-factors", ada))["removed"] == count
    await run("require-reset", ada)
    await run("unlock-user", ada)
    lines = await page(sql, Wanted(actor="command"), None, 10)
    assert [line.event for line in lines][::-1] == [
        "user_updated",
        "user_updated",
        "user_disabled",
        "user_enabled",
        "sessions_revoked",
        "totp_off",
        "password_reset_required",
        "user_unlocked",
    ]
    exported = (await run("export-audit", "--actor", "command")).splitlines()
    assert [json.loads(each)["id"] for each in exported] == [line.id for line in lines][::-1]
    table = list(csv.DictReader((await run("export-audit", "--format", "csv")).splitlines()))
    assert len(table) > len(lines)


async def test_the_first_admin_is_made_by_command_alone_and_stays(run: Run) -> None:
    assert await told(run, "list-users") == []
    await run("create-admin", "--email", "root@example.org")
    admins = await told(run, "list-users", "--role", "admin")
    assert [each["email"] for each in admins] == ["root@example.org"]
    with pytest.raises(GatewayError, match="nobody else has the role"):
        await run("disable-user", "root@example.org")


async def test_a_token_is_for_admins_alone(run: Run, sql: Sql) -> None:
    await People(sql).ada()
    await run("create-admin", "--email", "root@example.org")
    assert (await told(run, "admin-token", "--email", "root@example.org"))["expires_in"] == 600
    for email in ("ada@example.org", "nobody@example.org"):
        with pytest.raises(GatewayError, match="no admin"):
            await run("admin-token", "--email", email)
    with pytest.raises(GatewayError, match="no such account"):
        await run("unlock-user", "nobody@example.org")
