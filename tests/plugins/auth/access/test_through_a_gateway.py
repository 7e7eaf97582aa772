"""API keys and decisions through a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.errors import LoadError
from plugins.auth.access.key_text import drawn
from tests.engines.engine import free_port
from tests.engines.redis import Redis
from tests.gateway.serving import Served, serving
from tests.plugins.auth.access.desk import Desk

WHO = """
from aiohttp import web
from gateway import Plugin

class Who(Plugin):
    def routes(self):
        return [web.get("/{resource:.*}", self.answer)]

    async def answer(self, request):
        who, auth = request["exchange"].identity, self.context.plugin("auth")
        resource = request.match_info["resource"]
        may = await auth.allowed(who, "read", resource)
        assert auth.allowed_now(who, "read", resource) in (may, None)  # None: just changed
        return web.json_response({"subject": who.subject, "may": may})
"""
CONFIG = """
backends: {{sql: "{sql_url}", keyvalue: "{keyvalue}"}}
plugins:
  auth: {{use: auth, issuer: "http://localhost/auth", secret: "of-all-hosts-of-this-deployment-0"}}
  who: {{use: "./who.py:Who"}}
middlewares:
  keyed: {{use: api_key, plugin: auth}}
  readers: {{use: api_key, plugin: auth, scopes: [documents.read]}}
routes:
  - id: keyed
    match: {{path: /keyed/**}}
    middlewares: [keyed]
    plugin: who
    strip_prefix: /keyed
  - id: readers
    match: {{path: /readers/**}}
    middlewares: [readers]
    plugin: who
    strip_prefix: /readers
"""


class Client:
    def __init__(self, session: aiohttp.ClientSession, served: Served) -> None:
        self._session = session
        self._root = f"http://127.0.0.1:{served.port}"
        self._gateway = served.gateway

    async def get(self, path: str, key: str) -> tuple[int, Any]:
        async with self._session.get(self._root + path, headers={"X-API-Key": key}) as answer:
            return answer.status, await answer.json()

    def looked_up(self, source: str) -> float:
        """How often the plugin found something there."""
        page = self._gateway.metrics.render("")[0].decode()
        name = f'gateway_auth_cache_lookups_total{{plugin="auth",source="{source}"}} '
        return sum(float(line[len(name) :]) for line in page.splitlines() if line.startswith(name))

    async def ready(self) -> bool:
        return not any((await self._gateway.checks()).values())


@asynccontextmanager
async def gateway(folder: Path, sql_url: str, keyvalue: str = "memory://") -> AsyncIterator[Client]:
    (folder / "who.py").write_text(WHO)
    async with (
        serving(folder, CONFIG.format(sql_url=sql_url, keyvalue=keyvalue)) as served,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, served)


@pytest.fixture
async def client(tmp_path: Path, sql_url: str) -> AsyncIterator[Client]:
    async with gateway(tmp_path, sql_url) as found:
        yield found


async def test_a_key_opens_what_it_has_the_scope_for_until_it_is_revoked(
    client: Client, desk: Desk
) -> None:
    ada = await desk.person("ada")
    await desk.roles.create("reader", ["documents/**:read"])
    await desk.set_roles(ada, "reader")
    await desk.scopes.create("documents.read", ["documents/**:read"])
    _, bare = await desk.keys.create(ada, "bare")
    made, key = await desk.keys.create(ada, "reading", ["documents.read"])
    may, may_not = (200, {"subject": ada, "may": True}), (200, {"subject": ada, "may": False})
    for _ in range(2):
        assert await client.get("/keyed/documents/1", key) == may
        assert await client.get("/keyed/other", key) == may_not
        assert await client.get("/keyed/documents/1", bare) == may_not
        assert await client.get("/readers/documents/1", key) == may
        assert (await client.get("/readers/documents/1", bare))[0] == 403
    for wrong in (drawn(), key[:-1], "x"):
        assert (await client.get("/keyed/documents/1", wrong))[0] == 401
    await desk.keys.revoke(made.id)
    async with asyncio.timeout(20):
        while (await client.get("/keyed/documents/1", key))[0] == 200:
            pass
    assert (await client.get("/keyed/documents/1", key))[0] == 401
    assert await client.get("/keyed/documents/1", bare) == may_not


async def test_a_gateway_finds_in_redis_what_another_has_read_until_it_changes(
    tmp_path: Path, sql_url: str, desk: Desk, redis: Redis
) -> None:
    redis.say("FLUSHALL")
    ada = await desk.person("ada")
    await desk.grants.give("principal", ada, "documents/**:read")
    made, key = await desk.keys.create(ada, "reading", ["roles"])
    answer = (200, {"subject": ada, "may": True})
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    async with (
        gateway(tmp_path / "here", sql_url, redis.url) as here,
        gateway(tmp_path / "there", sql_url, redis.url) as there,
    ):
        assert await here.get("/keyed/documents/1", key) == answer
        assert (here.looked_up("keyvalue"), here.looked_up("sql") > 0) == (0, True)
        assert await there.get("/keyed/documents/1", key) == answer
        assert (there.looked_up("keyvalue") > 0, there.looked_up("sql")) == (True, 0)
        await desk.keys.revoke(made.id)
        async with asyncio.timeout(20):
            for each in (here, there):
                while (await each.get("/keyed/documents/1", key))[0] == 200:
                    pass
        assert (await here.get("/keyed/documents/1", key))[0] == 401


async def test_a_gateway_starts_and_is_ready_without_its_redis(
    tmp_path: Path, sql_url: str, desk: Desk
) -> None:
    ada = await desk.person("ada")
    _, key = await desk.keys.create(ada, "key", ["roles"])
    nobody = f"redis://127.0.0.1:{free_port()}"
    async with gateway(tmp_path, sql_url, nobody) as client:
        assert await client.get("/keyed/documents/1", key) == (200, {"subject": ada, "may": False})
        assert client.looked_up("sql") > 0
        assert await client.ready()


async def test_a_plugin_without_keys_stops_the_start(tmp_path: Path) -> None:
    config = """
plugins: {status: {use: "./status.py"}}
middlewares: {keyed: {use: api_key, plugin: status}}
routes: [{id: all, match: {path: /**}, middlewares: [keyed], plugin: status}]
"""
    (tmp_path / "status.py").write_text("from gateway import Plugin\nclass Status(Plugin): ...\n")
    with pytest.raises(LoadError, match="has no API keys"):
        async with serving(tmp_path, config):
            pass
