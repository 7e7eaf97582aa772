"""The example that asks who may do what, as it is in its file."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from plugins.auth.oauth.clients import Clients
from tests.gateway.serving import serving
from tests.plugins.auth.access.desk import Desk

EXAMPLES = Path(__file__).parents[4] / "config" / "examples"
ISSUER = "http://localhost:4003/auth"


@pytest.fixture
async def session(tmp_path: Path, sql_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    shutil.copy(EXAMPLES / "shelf.py", tmp_path)
    text = (EXAMPLES / "shelf.yaml").read_text()
    said = "${AUTH_SQL:-sqlite:///data/auth.db}"
    assert said in text
    config = text[text.index("backends:") :].replace(said, sql_url)
    async with (
        serving(tmp_path, config) as served,
        aiohttp.ClientSession(f"http://127.0.0.1:{served.port}") as session,
    ):
        yield session


async def test_roles_grants_and_scopes_decide_about_documents(
    session: aiohttp.ClientSession, desk: Desk
) -> None:
    ada, bob = await desk.person("ada"), await desk.person("bob")
    await desk.roles.create("librarian", ["shelf/**:read", "shelf/**:write"])
    await desk.set_roles(ada, "librarian")
    keys = {
        name: {"X-API-Key": (await desk.keys.create(owner, name, ["roles"]))[1]}
        for name, owner in (("ada", ada), ("bob", bob))
    }

    async def put(path: str, who: str) -> int:
        async with session.put(f"/shelf/{path}", data=b"text", headers=keys[who]) as answer:
            return answer.status

    async def get(path: str, who: str) -> int:
        async with session.get(f"/shelf/{path}", headers=keys[who]) as answer:
            return answer.status

    assert [await put("notes", who) for who in ("ada", "bob")] == [204, 403]
    assert [await get("notes", who) for who in ("ada", "bob")] == [200, 403]
    assert await put(f"notes/readers/{bob}", "bob") == 403
    assert await put(f"notes/readers/{bob}", "ada") == 204
    assert [await get(name, "bob") for name in ("notes", "other")] == [200, 403]
    assert [await get("other", "ada"), await put("notes", "bob")] == [404, 403]
    async with session.get("/shelf/notes") as answer:
        assert answer.status == 401


async def test_a_token_of_a_client_may_what_its_scope_stands_for(
    session: aiohttp.ClientSession, desk: Desk
) -> None:
    await desk.scopes.create("shelf.write", ["shelf/**:write"])
    client, secret = await Clients(desk.sql).create("robot", ["shelf.write", "other"])
    statuses = []
    for scope in ("shelf.write", "other"):
        form = {"grant_type": "client_credentials", "scope": scope}
        auth = aiohttp.encode_basic_auth(client.id, secret or "")
        async with session.post("/auth/token", data=form, headers={"Authorization": auth}) as told:
            token = (await told.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.put("/api/shelf/notes", data=b"text", headers=headers) as answer:
            statuses.append(answer.status)
    assert statuses == [204, 403]
