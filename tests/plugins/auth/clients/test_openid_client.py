"""A client that nobody here wrote: npm's openid-client, with a person between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from backends.sql import Sql
from plugins.auth.oauth.authentication import BASIC, NONE
from tests.plugins.auth.browser import EMAIL, Page
from tests.plugins.auth.clients.node import script
from tests.plugins.auth.oauth.relying import CALLBACK, ISSUER, Place, place, send, walk
from tests.plugins.auth.people import PASSWORD


@pytest.fixture
async def here(tmp_path: Path, sql: Sql, sql_url: str) -> AsyncIterator[Place]:
    async with place(tmp_path, sql, sql_url) as found:
        yield found


@pytest.mark.parametrize("method", [BASIC, NONE])
async def test_it_signs_somebody_in_refreshes_and_revokes(here: Place, method: str) -> None:
    app, ada = await here.app(method=method, first_party=False), here.browser()
    await ada.register()
    told = {
        "issuer": ISSUER,
        "reached": ada.root,
        "client_id": app.client.id,
        "client_secret": app.secret,
        "redirect_uri": CALLBACK,
        "scope": "openid profile email offline_access",
    }
    async with script("signing_in.mjs", told) as program:
        where = (await program.said()).removeprefix("http://localhost")
        login = await walk(ada, where)
        assert isinstance(login, Page)
        form = {**login.hidden(), "email": EMAIL, "password": PASSWORD}
        asked = await send(ada, "/auth/login", form)
        assert isinstance(asked, Page)
        form = {**asked.hidden(), "do": "allow"}
        answer = await send(ada, "/auth/authorize/consent", form)
        program.tell(f"{CALLBACK}?{urlencode(answer)}" if isinstance(answer, dict) else "")
        result: dict[str, Any] = await program.said()
    claims, about = result["claims"], result["userinfo"]
    assert claims["iss"] == ISSUER
    assert claims["sub"] == about["sub"]
    assert claims["email"] == about["email"] == EMAIL
    assert result["rotated"]
    assert result["refused"] == {"error": "invalid_grant", "status": 400}
    if method == BASIC:
        assert result["before"]["active"]
        assert result["before"]["sub"] == claims["sub"]
        assert result["refreshing"]["active"]
        assert result["after"] == {"active": False}
