"""Who may call: an admin by a token made by command, a program by one bound to its key."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import aiohttp
import pytest

from backends.sql import Sql
from plugins.auth.admin.gate import SCOPE
from plugins.auth.commands.admin_token import AdminToken
from plugins.auth.keys.at_rest import AtRest, kept_in
from plugins.auth.keys.keyring import Keyring
from plugins.auth.keys.options import KeyOptions
from plugins.auth.oauth.clients import Clients
from tests.plugins.auth.admin.conftest import Desk, at_work
from tests.plugins.auth.dpop.holder import Holder


async def test_a_token_for_another_audience_opens_nothing_here(desk: Desk) -> None:
    """ASVS 5.0 9.2.3, 10.3.1."""
    for audience, status in (("https://api.example.org", 401), ("http://localhost/auth", 200)):
        token, _ = await desk.token_of(SCOPE, audience=audience)
        assert (await desk.ask("GET", "/users", token=token))[0] == status


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


@pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
async def test_where_proofs_are_required_a_program_calls_with_them(
    tmp_path: Path, sql: Sql, sql_url: str
) -> None:
    issuer, holder = "http://localhost/auth", Holder()
    async with at_work(tmp_path, sql, sql_url, ", dpop: {required: true}") as desk:
        token, client = await desk.token_of(SCOPE, proof=holder.proof("POST", f"{issuer}/token"))

        async def status(scheme: str, method: str, path: str, proof: str = "") -> int:
            headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
            found, _ = await desk.ask(method, path, headers=headers)
            return found

        def proof(method: str, path: str, by: Holder = holder, of: str = token) -> str:
            return by.proof(method, f"{issuer}/admin{path}", token=of)

        assert await status("DPoP", "GET", "/users", proof("GET", "/users")) == 200
        assert await status("DPoP", "GET", "/users?limit=1", proof("GET", "/users")) == 200
        for path in ("/users/a%40b", "/users/a%3Ab", "/groups/%C3%B1"):
            assert await status("DPoP", "GET", path, proof("GET", path)) == 404
        one = f"/clients/{client}"
        used = proof("DELETE", one)
        for scheme, refused in (
            ("Bearer", ""),
            ("Bearer", used),
            ("DPoP", ""),
            ("DPoP", proof("GET", one)),
            ("DPoP", proof("DELETE", "/clients")),
            ("DPoP", proof("DELETE", one, by=Holder())),
            ("DPoP", proof("DELETE", one, of="x")),
        ):
            assert await status(scheme, "DELETE", one, refused) == 401
        assert await status("DPoP", "DELETE", one, used) == 204
        assert await status("DPoP", "DELETE", one, used) == 401


@pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
async def test_a_proof_has_the_nonce_that_a_refusal_tells(
    tmp_path: Path, sql: Sql, sql_url: str
) -> None:
    issuer, holder = "http://localhost/auth", Holder()
    async with at_work(tmp_path, sql, sql_url, ", dpop: {nonce: true}") as desk:
        made, secret = await Clients(sql).create("desk", [SCOPE])
        login = {"Authorization": aiohttp.encode_basic_auth(made.id, secret)}
        form, url, nonce = {"grant_type": "client_credentials"}, f"{desk.root}/token", ""
        for status in (400, 200):
            login["DPoP"] = holder.proof("POST", f"{issuer}/token", nonce=nonce)
            async with desk.session.post(url, data=form, headers=login) as answer:
                assert answer.status == status
                nonce = answer.headers.get("DPoP-Nonce", "")
                token = (await answer.json()).get("access_token", "")
        url, place = f"{desk.root}/admin/users", f"{issuer}/admin/users"
        login = {"Authorization": f"DPoP {token}", "DPoP": holder.proof("GET", place, token=token)}
        async with desk.session.get(url, headers=login) as answer:
            assert answer.status == 401
            assert 'DPoP error="use_dpop_nonce"' in answer.headers["WWW-Authenticate"]
            nonce = answer.headers["DPoP-Nonce"]
        login["DPoP"] = holder.proof("GET", place, token=token, nonce=nonce)
        async with desk.session.get(url, headers=login) as answer:
            assert answer.status == 200
