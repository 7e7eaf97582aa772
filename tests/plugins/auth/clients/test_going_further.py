"""npm's openid-client with what the extensions of OAuth 2 give it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from backends.sql import Sql
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import DEVICE, REFRESH
from plugins.auth.registration.tokens import RegistrationTokens
from tests.plugins.auth.browser import EMAIL, Page
from tests.plugins.auth.clients.node import script
from tests.plugins.auth.oauth.relying import CALLBACK, ISSUER, Place, place, send, walk

BYE = "https://app.example.org/bye"


@pytest.fixture
async def here(tmp_path: Path, sql: Sql, sql_url: str) -> AsyncIterator[Place]:
    async with place(tmp_path, sql, sql_url, guard=', dpop: "http://localhost"') as found:
        yield found


async def test_it_registers_pushes_proves_its_key_and_logs_out(here: Place, sql: Sql) -> None:
    ada = await here.ada()
    told = {
        "issuer": ISSUER,
        "reached": ada.root,
        "initial": await RegistrationTokens(sql).initial([]),
        "redirect_uri": CALLBACK,
        "bye": BYE,
        "scope": "openid email",
        "api": "http://localhost/api",
    }
    async with script("going_further.mjs", told) as program:
        asked = await walk(ada, (await program.said()).removeprefix("http://localhost"))
        assert isinstance(asked, Page)
        answer = await send(ada, "/auth/authorize/consent", {**asked.hidden(), "do": "allow"})
        assert isinstance(answer, dict)
        program.tell(f"{CALLBACK}?{urlencode(answer)}")
        result: dict[str, Any] = await program.said()
    assert result["parameters"] == ["client_id", "request_uri"]
    assert [each.lower() for each in result["kinds"]] == ["dpop", "dpop"]
    assert result["userinfo"]["email"] == EMAIL
    assert result["guarded"] == 204
    left = await walk(ada, result["leaving"].removeprefix("http://localhost"))
    assert left == {"state": "left"}
    assert "/login" in (await ada.get("/auth/account")).url


@pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
async def test_it_waits_on_a_device(tmp_path: Path, sql: Sql, sql_url: str) -> None:
    async with place(tmp_path, sql, sql_url, ", device: {interval: 1}") as here:
        ada = await here.ada()
        registered: Any = {"redirect_uris": [], "method": NONE, "grants": [DEVICE, REFRESH]}
        app = await here.app(**registered)
        told = {
            "issuer": ISSUER,
            "reached": ada.root,
            "client_id": app.client.id,
            "scope": "openid",
        }
        async with script("device.mjs", told) as program:
            begun: dict[str, Any] = await program.said()
            shown = await ada.submit("/auth/device", user_code=begun["user_code"])
            await ada.post("/auth/device", {**shown.hidden(), "do": "allow"})
            result: dict[str, Any] = await program.said()
    assert result["claims"]["iss"] == ISSUER
    assert (result["scope"], result["kind"].lower()) == ("openid", "bearer")
