"""Revoked API keys and tokens, and those of ended sessions, stop on every worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import jwt
import pytest

from backends.catalogue import Backends
from gateway.seat import Subscribers
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.keys.keyring import Keyring
from plugins.auth.keys.options import KeyOptions
from plugins.auth.oauth.access_tokens import AccessTokens
from plugins.auth.oauth.clients import Client as AuthClient
from plugins.auth.oauth.options import TokenOptions
from plugins.auth.oauth.revoked import Revoked
from tests.e2e.crew import HOST, CrewSite
from tests.e2e.gateway_process import accepts, eventually
from tests.e2e.rawhttp import DEADLINE, Client
from tests.plugins.auth.access.desk import Desk

T = TypeVar("T")
WORKERS = 2
ISSUER, SECRET = "http://localhost/auth", "s" * 40


class KeyedSite(CrewSite):
    """The plugin of worker_plugin.py behind `/crew`, and behind `/keyed` for API keys."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, WORKERS)
        self.url = f"sqlite:///{folder}/auth.db"
        self.backends["sql"] = self.url
        self.plugins["auth"] = {"use": "auth", "issuer": ISSUER, "secret": SECRET}
        self.middlewares["keyed"] = {"use": "api_key", "plugin": "auth"}
        self.middlewares["signed"] = {"use": "jwt", "issuer": ISSUER, "audience": ISSUER}
        for guard in ("keyed", "signed"):
            guarded = {"plugin": "crew", "strip_prefix": f"/{guard}", "middlewares": [guard]}
            self.route(guard, f"/{guard}/**", **guarded)

    def elsewhere(self, work: Callable[[Desk], Awaitable[T]]) -> T:
        """In this process, which no worker hears: as on another host of the same database."""

        async def run() -> T:
            backends = Backends({"sql": self.url})
            await backends.ready(["sql"])
            try:
                return await work(Desk(backends.sql))
            finally:
                await backends.close()

        return asyncio.run(run())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[KeyedSite]:
    site = KeyedSite(tmp_path)
    yield site
    site.close()


def status(client: Client, key: str) -> int:
    return client.get("/keyed/who", HOST, f"X-API-Key: {key}").status


def bearer(client: Client, token: str) -> int:
    return client.get("/signed/who", HOST, f"Authorization: Bearer {token}").status


async def tokens(desk: Desk) -> list[str]:
    """One of a session, one by itself, and one that stays."""
    keyring = Keyring(desk.sql, AtRest(SECRET), KeyOptions())
    await keyring.start()
    issuing = AccessTokens(ISSUER, TokenOptions(), keyring)
    client = AuthClient("app", "app", "none", frozenset(), ())
    sids = ("a" * 32, "b" * 32, "c" * 32)
    return [str(issuing.issue("ada", client, (), sid=sid)["access_token"]) for sid in sids]


async def end_two(desk: Desk, token: str) -> None:
    revoked = Revoked(desk.sql, Subscribers(), TokenOptions().access_lifetime)
    async with desk.sql.write() as connection:
        await revoked.sessions(connection, ["a" * 32])
    await revoked.add(jwt.decode(token, options={"verify_signature": False}))


def test_what_is_revoked_on_another_host_stops_on_every_worker(site: KeyedSite) -> None:
    site.launch()
    started = time.monotonic()
    while not accepts(site.gateway.port):  # Argon2, passkeys and tables take their time
        assert time.monotonic() < started + 4 * DEADLINE, site.gateway.log()
        time.sleep(0.05)
    site.all_up()

    async def two_keys(desk: Desk) -> tuple[str, str, str]:
        ada = await desk.person("ada")
        gone, key = await desk.keys.create(ada, "gone")
        _, kept = await desk.keys.create(ada, "kept")
        return gone.id, key, kept

    key_id, key, kept = site.elsewhere(two_keys)
    clients = [site.client_of(pid) for pid in site.pids().values()]
    assert len(clients) == WORKERS
    eventually(lambda: all(status(each, key) == 200 for each in clients), "the key is known")
    assert site.elsewhere(lambda desk: desk.keys.revoke(key_id))
    eventually(lambda: all(status(each, key) == 401 for each in clients), "the key is revoked")
    assert [status(each, key) for each in clients * 3] == [401] * (3 * WORKERS)
    assert [status(each, kept) for each in clients] == [200] * WORKERS

    ended, revoked, good = site.elsewhere(tokens)
    assert [bearer(each, token) for each in clients for token in (ended, revoked)] == [200] * 4
    site.elsewhere(lambda desk: end_two(desk, revoked))
    asked = [(each, token) for each in clients for token in (ended, revoked)]
    eventually(lambda: all(bearer(*each) == 401 for each in asked), "they are refused")
    assert [bearer(each, good) for each in clients] == [200] * WORKERS
