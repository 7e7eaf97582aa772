"""A revoked API key stops on every worker, whoever has revoked it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from backends.catalogue import Backends
from tests.e2e.crew import HOST, CrewSite
from tests.e2e.gateway_process import accepts, eventually
from tests.e2e.rawhttp import DEADLINE, Client
from tests.plugins.auth.access.desk import Desk

T = TypeVar("T")
WORKERS = 2


class KeyedSite(CrewSite):
    """The plugin of worker_plugin.py behind `/crew`, and behind `/keyed` for API keys."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, WORKERS)
        self.url = f"sqlite:///{folder}/auth.db"
        self.backends["sql"] = self.url
        self.plugins["auth"] = {"use": "auth", "issuer": "http://localhost/auth"}
        self.middlewares["keyed"] = {"use": "api_key", "plugin": "auth"}
        guarded = {"plugin": "crew", "strip_prefix": "/keyed", "middlewares": ["keyed"]}
        self.route("keyed", "/keyed/**", **guarded)

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


def test_a_key_revoked_on_another_host_stops_on_every_worker(site: KeyedSite) -> None:
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
