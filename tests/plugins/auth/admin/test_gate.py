"""An admin's own token, made by command: good while the account is an admin's."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from plugins.auth.commands.admin_token import AdminToken
from plugins.auth.keys.at_rest import AtRest, kept_in
from plugins.auth.keys.keyring import Keyring
from plugins.auth.keys.options import KeyOptions
from tests.plugins.auth.admin.conftest import Desk


async def test_an_admin_may_until_the_role_is_taken(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, other = await desk.admin(), await desk.admin("other")

    async def keyring() -> Keyring:
        at_rest = AtRest(kept_in(tmp_path / "data" / "auth.key"))
        made = Keyring(desk.people.sql, at_rest, KeyOptions())
        await made.start()
        return made

    command = AdminToken(desk.people.sql, "http://localhost/auth", keyring)
    capsys.readouterr()
    await command.run(argparse.Namespace(email="root@example.org"))
    token = json.loads(capsys.readouterr().out)["access_token"]
    status, changed = await desk.ask("PATCH", f"/users/{other}", {"name": "O."}, token=token)
    assert (status, changed["name"]) == (200, "O.")
    _, told = await desk.ask("GET", f"/log?account={other}&event=user_updated", token=token)
    assert [line["actor"] for line in told["lines"]] == [f"account:{root}"]
    for change in ({"roles": []}, {"roles": ["admin"], "disabled": True}):
        assert (await desk.ask("PATCH", f"/users/{root}", change))[0] == 200
        assert (await desk.ask("GET", "/users", token=token))[0] == 403
    await desk.ask("PATCH", f"/users/{root}", {"roles": [], "disabled": False})
    await desk.ask("POST", "/groups", {"name": "staff", "roles": ["admin"]})
    await desk.ask("PUT", f"/groups/staff/members/{root}")
    assert (await desk.ask("GET", "/users", token=token))[0] == 200
