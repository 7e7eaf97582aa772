"""Requests that were pushed lead to one code, in one browser."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest

from backends.sql import Sql
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import Clients
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.pushed.options import PushedOptions
from plugins.auth.pushed.requests import PREFIX, Pushed
from tests.plugins.auth.browser import Browser
from tests.plugins.auth.dpop.holder import Holder
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import ISSUER, App, Place, place, walk
from tests.plugins.auth.people import Clock

__all__ = ["here"]


async def pushed(app: App, **more: str) -> tuple[int, Any]:
    return await app.post("par", app.wishes(**more))


def path_of(app: App, uri: str) -> str:
    return "/auth/authorize?" + urlencode({"client_id": app.client.id, "request_uri": uri})


async def first_step(browser: Browser, path: str) -> str:
    url = browser.root + path
    async with browser.session.get(url, allow_redirects=False) as answer:
        return answer.headers.get("Location", "")


async def test_what_was_pushed_is_what_is_asked_for(here: Place) -> None:
    """ASVS 5.0 10.4.15."""
    app, ada = await here.app(), await here.ada()
    status, answer = await pushed(app)
    assert (status, answer["expires_in"]) == (201, 60)
    assert answer["request_uri"].startswith(PREFIX)
    path = path_of(app, answer["request_uri"])
    found = await walk(ada, path + "&scope=email&state=other")
    assert isinstance(found, dict)
    assert (found["state"], found["iss"]) == ("s t&te", ISSUER)
    status, tokens = await app.redeem(found["code"])
    assert (status, tokens["scope"]) == (200, "openid profile email")
    again = await walk(ada, path)
    assert isinstance(again, dict)
    assert again["error"] == "invalid_request_uri"


async def test_one_browser_gets_it_and_takes_it_through_its_log_in(here: Place) -> None:
    app = await here.app()
    await here.ada()
    ada, path = here.browser(), path_of(app, (await pushed(app))[1]["request_uri"])
    places = await asyncio.gather(*(first_step(here.browser(), path) for _ in range(10)))
    led = [each for each in places if urlsplit(each).path == "/auth/login"]
    assert len(led) == 1
    form = await ada.get(led[0])
    fields = {"email": "ada@example.org", "password": "violet-harbour-93-lantern"}
    url = f"{ada.root}/auth/login"
    async with ada.session.post(
        url, data={**form.hidden(), **fields}, allow_redirects=False
    ) as answer:
        onward = answer.headers["Location"]
    found = await walk(ada, onward)
    assert isinstance(found, dict)
    assert "code" in found
    again = await walk(ada, onward)
    assert isinstance(again, dict)
    assert again["error"] == "invalid_request_uri"


async def test_it_is_of_its_client_and_checked_when_it_is_pushed(here: Place) -> None:
    app, other, ada = await here.app(), await here.app(), await here.ada()
    uri = (await pushed(app))[1]["request_uri"]
    stolen = await walk(ada, path_of(other, uri))
    assert isinstance(stolen, dict)
    assert stolen["error"] == "invalid_request_uri"
    wrong = {
        "invalid_request": [
            {"redirect_uri": "https://evil.example/cb"},
            {"code_challenge_method": "plain"},
            {"request_uri": uri},
            {"client_id": other.client.id},
            {"response_type": ""},
        ],
        "invalid_scope": [{"scope": "admin"}],
        "unsupported_response_type": [{"response_type": "token"}],
        "request_not_supported": [{"request": "a.b.c"}],
    }
    for error, requests in wrong.items():
        for more in requests:
            status, answer = await pushed(app, **more)
            assert (status, answer["error"]) == (400, error), more
    async with aiohttp.ClientSession() as session:
        sent = app.wishes()
        async with session.post(f"{app.root}/auth/par", data=sent) as answer:
            assert answer.status == 401
        async with session.get(f"{app.root}/auth/par") as answer:
            assert answer.status == 405


async def test_clients_may_have_to_push(tmp_path: Path, sql: Sql, sql_url: str) -> None:
    """ASVS 5.0 10.4.13."""
    async with place(tmp_path, sql, sql_url) as here:
        app = await here.app(metadata={"require_pushed_authorization_requests": True})
        ada = await here.ada()
        assert (await app.told(ada))["error"] == "invalid_request"
        path = path_of(app, (await pushed(app))[1]["request_uri"])
        assert "code" in (await walk(ada, path) or {})
    async with place(tmp_path, sql, sql_url, ", pushed: {required: true}") as here:
        app, ada = await here.app(), here.browser()
        await ada.log_in()
        assert (await app.told(ada))["error"] == "invalid_request"


async def test_a_proof_with_it_binds_the_code(here: Place) -> None:
    holder, ada = Holder(), await here.ada()
    app = await here.app(method=NONE)
    headers = {"DPoP": holder.proof("POST", f"{ISSUER}/par")}
    form = app.wishes()
    async with here.session.post(f"{app.root}/auth/par", data=form, headers=headers) as answer:
        uri = (await answer.json())["request_uri"]
    found = await walk(ada, path_of(app, uri))
    assert isinstance(found, dict)
    status, answer = await app.redeem(found["code"])
    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_a_request_is_good_for_a_minute(sql: Sql) -> None:
    clock = Clock()
    known = Pushed(sql, PushedOptions(), clock)
    client, _ = await Clients(sql).create("Shop", redirect_uris=["https://a.example/cb"])
    early, late = [await known.push(client, {"a": "b"}) for _ in range(2)]
    follows, parameters = await known.take_up(client, early)
    assert parameters == {"a": "b"}
    clock.ahead = 61
    with pytest.raises(OAuthError):
        await known.take_up(client, late)
    assert await known.take_up(client, follows) == (follows, parameters)


async def test_of_two_codes_at_once_for_a_request_one_is_made(sql: Sql) -> None:
    known = Pushed(sql, PushedOptions(), time.time)
    client, _ = await Clients(sql).create("Shop", redirect_uris=["https://a.example/cb"])
    uri, _ = await known.take_up(client, await known.push(client, {}))

    async def spend() -> bool:
        async with sql.write() as connection:
            return await known.spend(connection, uri)

    assert sorted(await asyncio.gather(*(spend() for _ in range(10)))) == [False] * 9 + [True]
