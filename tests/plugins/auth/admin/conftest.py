from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backends.sql import Sql
from plugins.auth.admin.gate import SCOPE
from plugins.auth.oauth.clients import Clients
from tests.gateway.serving import serving
from tests.plugins.auth.people import ADDRESS, PASSWORD, People

CONFIG = """
backends: {{sql: "{sql}"}}
plugins:
  auth: {{use: auth, issuer: "http://localhost/auth"{options}}}
middlewares:
  signed_in: {{use: jwt, issuer: "http://localhost/auth", audience: "http://localhost/auth"}}
routes:
  - {{id: guarded, match: {{path: /guarded}}, middlewares: [signed_in], respond: {{status: 200}}}}
  - {{id: auth, match: {{path: /auth/**}}, plugin: auth, strip_prefix: /auth}}
"""


class Desk:
    """A program with the scope `auth:admin` before a gateway. people: in its database."""

    def __init__(self, session: aiohttp.ClientSession, root: str, people: People) -> None:
        self.session = session
        self.root = root
        self.people = people
        self.token = ""
        self.client = ""

    async def token_of(self, *scopes: str, proof: str = "", audience: str = "") -> tuple[str, str]:
        """Of a new client, with its id."""
        clients = Clients(self.people.sql)
        made, secret = await clients.create("desk", scopes, audience=audience)
        form = {"grant_type": "client_credentials"}
        login = {"Authorization": aiohttp.encode_basic_auth(made.id, secret)}
        login |= {"DPoP": proof} if proof else {}
        async with self.session.post(f"{self.root}/token", data=form, headers=login) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["access_token"], made.id

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and what the answer holds; text when it is not JSON."""
        bearer = {"Authorization": f"Bearer {token or self.token}"}
        data = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        async with self.session.request(
            method,
            f"{self.root}/admin{path}",
            data=data,
            headers={**bearer, **sent, **(headers or {})},
        ) as answer:
            text = await answer.text()
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
            in_json = answer.content_type in {"application/json", "application/problem+json"}
            return answer.status, json.loads(text) if in_json else text

    async def admin(self, name: str = "root") -> str:
        made = await self.people.directory.register(
            f"{name}@example.org", PASSWORD, ADDRESS, roles=["admin"], letter=False
        )
        assert made is not None
        return made


@asynccontextmanager
async def at_work(tmp_path: Path, sql: Sql, sql_url: str, options: str = "") -> AsyncIterator[Desk]:
    """Without a token."""
    config = CONFIG.format(sql=sql_url, options=options)
    async with serving(tmp_path, config) as served, aiohttp.ClientSession() as session:
        yield Desk(session, f"http://127.0.0.1:{served.port}/auth", People(sql))


@pytest.fixture
async def desk(tmp_path: Path, sql: Sql, sql_url: str) -> AsyncIterator[Desk]:
    async with at_work(tmp_path, sql, sql_url) as made:
        made.token, made.client = await made.token_of(SCOPE)
        yield made
