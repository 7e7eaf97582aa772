"""A client that people log in to, before a real gateway: it follows no redirect to itself."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp

from backends.sql import Sql
from plugins.auth.oauth.clients import Client, Clients
from tests.gateway.serving import serving
from tests.plugins.auth.browser import Browser, Page, page

ISSUER = "http://localhost/auth"
CALLBACK = "https://app.example.org/cb"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
CONFIG = """
backends: {{sql: "{sql}"}}
plugins:
  auth: {{use: auth, issuer: "http://localhost/auth"{options}}}
middlewares:
  guard: {{use: jwt, issuer: "http://localhost/auth", audience: ["http://localhost/auth"]{guard}}}
routes:
  - {{id: auth, match: {{path: /auth/**}}, plugin: auth, strip_prefix: /auth}}
  - {{id: known, match: {{path: /.well-known/oauth-authorization-server/auth}}, plugin: auth}}
  - {{id: openid, match: {{path: /.well-known/openid-configuration/auth}}, plugin: auth}}
  - {{id: api, match: {{path: /api}}, middlewares: [guard], respond: {{status: 204}}}}
"""


class Place:
    """A gateway; browsers and clients before it."""

    def __init__(self, port: int, sql: Sql) -> None:
        self.port = port
        self.clients = Clients(sql)
        self.sql = sql
        self.browsers: list[Browser] = []
        self.session = aiohttp.ClientSession()

    def browser(self) -> Browser:
        self.browsers.append(Browser(self.port))
        return self.browsers[-1]

    async def ada(self) -> Browser:
        """She has logged in."""
        ada = self.browser()
        await ada.register()
        assert urlsplit((await ada.log_in()).url).path == "/auth/account"
        return ada

    async def app(self, **registered: Any) -> App:
        values = {"redirect_uris": [CALLBACK], "first_party": True, **registered}
        client, secret = await self.clients.create("Shop", **values)
        return App(self, client, secret)

    async def close(self) -> None:
        await self.session.close()
        for browser in self.browsers:
            await browser.session.close()


class App:
    def __init__(self, place: Place, client: Client, secret: str) -> None:
        self.place = place
        self.client = client
        self.secret = secret
        self.root = f"http://127.0.0.1:{place.port}"

    def wishes(self, **more: str) -> dict[str, str]:
        asked = {
            "client_id": self.client.id,
            "redirect_uri": self.client.redirect_uris[0],
            "response_type": "code",
            "scope": "openid profile email",
            "state": "s t&te",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **more,
        }
        return {name: value for name, value in asked.items() if value}

    async def ask(self, browser: Browser, **more: str) -> Page | dict[str, str]:
        """The page that is shown, or what the client is told."""
        return await walk(browser, f"/auth/authorize?{urlencode(self.wishes(**more))}")

    async def told(self, browser: Browser, **more: str) -> dict[str, str]:
        answer = await self.ask(browser, **more)
        assert isinstance(answer, dict), answer.text
        assert answer.pop("iss") == ISSUER
        assert answer.pop("state", None) == more.get("state", "s t&te")
        return answer

    async def shown(self, browser: Browser, **more: str) -> Page:
        answer = await self.ask(browser, **more)
        assert isinstance(answer, Page), answer
        return answer

    async def code(self, browser: Browser, **more: str) -> str:
        return (await self.told(browser, **more))["code"]

    async def post(self, path: str, sent: Mapping[str, str]) -> tuple[int, Any]:
        form, headers = dict(sent), {}
        if self.client.public:
            form["client_id"] = self.client.id
        else:
            headers["Authorization"] = aiohttp.encode_basic_auth(self.client.id, self.secret)
        url = f"{self.root}/auth/{path}"
        async with self.place.session.post(url, data=form, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def redeem(self, code: str, **more: str) -> tuple[int, Any]:
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uris[0],
            "code_verifier": VERIFIER,
            **more,
        }
        return await self.post("token", {name: value for name, value in sent.items() if value})

    async def tokens(self, browser: Browser, **more: str) -> dict[str, Any]:
        status, told = await self.redeem(await self.code(browser, **more))
        assert status == 200, told
        found: dict[str, Any] = told
        return found

    async def refresh(self, token: str, **more: str) -> tuple[int, Any]:
        return await self.post(
            "token", {"grant_type": "refresh_token", "refresh_token": token, **more}
        )

    async def get(self, path: str, token: str, scheme: str = "Bearer") -> tuple[int, Any, str]:
        """Status, JSON and challenge."""
        headers = {"Authorization": f"{scheme} {token}"} if token else {}
        async with self.place.session.get(self.root + path, headers=headers) as answer:
            text = await answer.text()
            told = json.loads(text) if text.startswith("{") else None
            return answer.status, told, answer.headers.get("WWW-Authenticate", "")


async def walk(browser: Browser, path: str) -> Page | dict[str, str]:
    """Through redirects of ours, to a page or to the client."""
    while True:
        url = browser.root + path
        async with browser.session.get(url, allow_redirects=False) as answer:
            if answer.status != 303:
                return await page(answer)
            path = answer.headers["Location"]
        if not path.startswith("/"):
            return told(path)


async def send(browser: Browser, path: str, fields: Mapping[str, str]) -> Page | dict[str, str]:
    url = browser.root + path
    async with browser.session.post(url, data=fields, allow_redirects=False) as answer:
        if answer.status != 303:
            return await page(answer)
        path = answer.headers["Location"]
    return told(path) if not path.startswith("/") else await walk(browser, path)


def told(location: str) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(location).query)
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


@asynccontextmanager
async def place(
    folder: Path, sql: Sql, sql_url: str, options: str = "", guard: str = ""
) -> AsyncIterator[Place]:
    """options, guard: more of the plugin, and of what guards /api."""
    config = CONFIG.format(sql=sql_url, options=options, guard=guard)
    async with serving(folder, config) as served:
        found = Place(served.port, sql)
        try:
            yield found
        finally:
            await found.close()
