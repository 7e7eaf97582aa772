"""Clients send people to /logout, and hear when a session has ended."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from plugins.auth.leaving.messenger import EVENT
from plugins.auth.leaving.tables import logouts, participants
from tests.plugins.auth.browser import EMAIL, Browser, Page
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import CONFIG, ISSUER, App, Place, walk
from tests.plugins.auth.patience import until

__all__ = ["here"]
BYE = "https://app.example.org/bye?a=b"


async def shop(here: Place, **metadata: Any) -> App:
    return await here.app(metadata={"post_logout_redirect_uris": [BYE], **metadata})


async def leave(browser: Browser, **sent: str) -> Page | dict[str, str]:
    return await walk(browser, f"/auth/logout?{urlencode(sent)}")


async def logged_in(browser: Browser) -> bool:
    return "/login" not in (await browser.get("/auth/account")).url


async def test_with_its_id_token_nobody_is_asked(here: Place) -> None:
    ada, app = await here.ada(), await shop(here)
    hint = (await app.tokens(ada))["id_token"]
    sent = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "s&t"}
    assert await leave(ada, **sent) == {"a": "b", "state": "s&t"}
    assert not await logged_in(ada)
    assert await leave(ada, **sent) == {"a": "b", "state": "s&t"}


async def test_without_it_the_person_is_asked(here: Place) -> None:
    """ASVS 5.0 10.6.2."""
    ada, app = await here.ada(), await shop(here)
    url = {"client_id": app.client.id, "post_logout_redirect_uri": BYE, "state": "x"}
    shown = await leave(ada, **url)
    assert isinstance(shown, Page)
    assert EMAIL in shown.text
    assert await logged_in(ada)
    async with ada.session.post(
        f"{ada.root}/auth/logout", data=shown.hidden(), allow_redirects=False
    ) as answer:
        assert answer.headers["Location"] == BYE + "&state=x"
    assert not await logged_in(ada)


async def test_a_client_may_post_it(here: Place) -> None:
    ada, app = await here.ada(), await shop(here)
    hint = (await app.tokens(ada))["id_token"]
    async with ada.session.post(
        f"{ada.root}/auth/logout",
        data={"id_token_hint": hint, "post_logout_redirect_uri": BYE},
        allow_redirects=False,
    ) as answer:
        onward = answer.headers["Location"]
    assert await walk(ada, onward) == {"a": "b"}
    assert not await logged_in(ada)


async def test_nobody_is_sent_where_it_is_not_registered(here: Place) -> None:
    ada, app, other = await here.ada(), await shop(here), await here.app()
    hint = (await app.tokens(ada))["id_token"]
    good = {"id_token_hint": hint, "post_logout_redirect_uri": BYE}
    for wrong in (
        {**good, "post_logout_redirect_uri": "https://evil.example/"},
        {**good, "post_logout_redirect_uri": BYE + "&c=d"},
        {**good, "client_id": other.client.id},
        {"post_logout_redirect_uri": BYE},
        {"client_id": other.client.id, "post_logout_redirect_uri": BYE},
        {"id_token_hint": hint[:-8] + "AAAAAAAA", "post_logout_redirect_uri": BYE},
        {"id_token_hint": "ñ", "post_logout_redirect_uri": BYE},
    ):
        shown = await leave(ada, **wrong)
        assert isinstance(shown, Page), wrong
        assert shown.status == 400
    assert await logged_in(ada)


async def test_the_token_of_another_session_asks_first(here: Place) -> None:
    ada, app = await here.ada(), await shop(here)
    hint = (await app.tokens(ada))["id_token"]
    elsewhere = here.browser()
    await elsewhere.log_in()
    shown = await leave(elsewhere, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert isinstance(shown, Page)
    assert await logged_in(elsewhere)
    access = (await app.tokens(elsewhere))["access_token"]
    assert isinstance(await leave(elsewhere, id_token_hint=access), Page)
    assert await logged_in(elsewhere)
    _, payload, signature = hint.split(".")
    for algorithm in ("none", "HS256", "ES256"):
        header = {"alg": algorithm, "typ": "JWT", "kid": jwt.get_unverified_header(hint)["kid"]}
        begins = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        forged = f"{begins}.{payload}." + ("" if algorithm == "none" else signature)
        assert isinstance(await leave(ada, id_token_hint=forged), Page)
    assert isinstance(await leave(ada, id_token_hint=hint + "A" * 8192), Page)
    assert await logged_in(ada)


class Listener:
    """A client's own server."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.status = 200

    async def next(self) -> str:
        return await asyncio.wait_for(self.heard.get(), 20)

    async def handle(self, request: web.Request) -> web.Response:
        self.heard.put_nowait(str((await request.post())["logout_token"]))
        return web.Response(status=self.status)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Listener, str]]:
    listener, app = Listener(), web.Application()
    app.router.add_post("/out", listener.handle)
    async with TestServer(app) as server:
        yield listener, str(server.make_url("/out"))


async def left(here: Place, table: sa.Table) -> int:
    async with here.sql.read() as connection:
        count = sa.select(sa.func.count()).select_from(table)
        return int((await connection.execute(count)).scalar_one())


async def all_told(here: Place) -> bool:
    return not await left(here, logouts)


async def test_clients_hear_that_a_session_has_ended(here: Place) -> None:
    """ASVS 5.0 7.6.1."""
    async with listening() as (listener, uri):
        ada, app = await here.ada(), await shop(here, backchannel_logout_uri=uri)
        silent = await here.app()
        hint = (await app.tokens(ada))["id_token"]
        await app.tokens(ada)
        await silent.tokens(ada)
        assert await left(here, participants) == 1
        export = json.loads((await ada.get("/auth/account/export")).text)
        assert [each["client_id"] for each in export["logouts"]["to_tell"]] == [app.client.id]
        assert export["devices_allowed"] == []
        await ada.submit("/auth/logout")
        token = await listener.next()
        await until(lambda: all_told(here))
        assert listener.heard.empty()
    async with here.session.get(f"{app.root}/auth/jwks.json") as answer:
        key = jwt.PyJWK((await answer.json(content_type=None))["keys"][0])
    assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
    told = jwt.decode(token, key, audience=app.client.id, issuer=ISSUER)
    before = jwt.decode(hint, options={"verify_signature": False})
    assert (told["sid"], told["sub"]) == (before["sid"], before["sub"])
    assert told["events"] == {EVENT: {}}
    assert "nonce" not in told
    assert await left(here, participants) == 0


async def test_a_client_that_does_not_answer_well_is_told_again(
    here: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as (listener, uri):
        listener.status = 500
        ada, app = await here.ada(), await shop(here, backchannel_logout_uri=uri)
        await app.tokens(ada)
        await ada.submit("/auth/logout")
        first = await listener.next()

        async def put_off() -> bool:
            return "is told of a logout later" in caplog.text

        await until(put_off)
        listener.status = 204
        async with here.sql.write() as connection:
            await connection.execute(logouts.update().values(next_at=0))
        second = await listener.next()
        await until(lambda: all_told(here))
    assert first != second
    assert first not in caplog.text


async def test_a_command_that_ends_sessions_tells_clients_too(
    here: Place, tmp_path: Path, sql_url: str
) -> None:
    async with listening() as (listener, uri):
        ada, app = await here.ada(), await shop(here, backchannel_logout_uri=uri)
        await app.tokens(ada)
        file = tmp_path / "command.yaml"
        file.write_text("version: 1" + CONFIG.format(sql=sql_url, options="", guard=""))
        words = ("auth", "revoke-sessions", EMAIL, "-c", str(file))
        clean = {name: value for name, value in os.environ.items() if name != "AIT_GATEWAY_CONFIG"}
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *words, env=clean
        )
        assert await program.wait() == 0
        assert await listener.next()
