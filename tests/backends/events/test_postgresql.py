from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.events import DRIVERS, Events, Lagged
from tests.backends.events.faults import told_of_the_gap
from tests.conformance.events import EventsContract, bodies
from tests.engines.postgres import Postgres


class TestPostgresqlEvents(EventsContract):
    @pytest.fixture
    async def events(self, postgres_url: str) -> AsyncIterator[Events]:
        events = DRIVERS.open(f"{postgres_url}?timeout=10s&queue=20&queue_bytes=100KiB")
        yield events
        await events.close()

    @pytest.fixture
    def namespace(self) -> str:
        return "postgresql"


async def test_what_another_publishes_comes_also_when_it_is_large(postgres_url: str) -> None:
    one, other = (DRIVERS.open(f"{postgres_url}?timeout=10s") for _ in range(2))
    sizes = [0, 5000, 5800, 5900, 6000, 8000, 100, 500_000, 3]
    async with one.subscribe("a.>") as said:
        for size in sizes:
            await other.publish("a." + "é" * 50, bytes(size))
        assert [len(body) for body in await bodies(said, len(sizes))] == sizes
    await one.close()
    await other.close()


async def test_those_who_publish_large_ones_at_first_do_not_collide(postgres_url: str) -> None:
    several = [DRIVERS.open(f"{postgres_url}?timeout=10s") for _ in range(5)]
    await asyncio.gather(*[each.publish("a", bytes(9000)) for each in several])
    for each in several:
        await each.close()


async def test_a_subscriber_is_told_of_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Postgres(tmp_path) as server:
        for fault in ("kill", "stop"):
            events = DRIVERS.open(f"{server.url}?timeout=2s")
            await told_of_the_gap(events, server, fault)
            await events.close()
        monkeypatch.setattr("backends.events.postgresql.HEARTBEAT", 0.2)
        events = DRIVERS.open(f"{server.url}?timeout=1s")
        await a_connection_that_hangs_is_given_up(events, server)
        await events.close()


async def a_connection_that_hangs_is_given_up(events: Events, server: Postgres) -> None:
    async with events.subscribe("a") as said:
        await asyncio.sleep(0.5)  # is not given up while it answers
        await asyncio.to_thread(server.pause)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(server.resume)
        async with asyncio.timeout(15):
            assert await anext(said) == Lagged(None)
        await events.publish("a", b"1")
        assert await bodies(said, 1) == [b"1"]


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    events = DRIVERS.open("postgresql://user:hunter2@127.0.0.1:1/db?timeout=500ms")
    with pytest.raises(BackendUnavailable) as raised:
        async with events.subscribe("a"):
            pass
    assert "hunter2" not in str(raised.value)
    await events.close()


async def test_a_login_that_is_wrong_is_refused(postgres: Postgres) -> None:
    url = postgres.url.replace("//", "//someone:hunter2@").split("@")
    events = DRIVERS.open(f"{url[0]}@{url[-1]}")
    for call in (events.check(), events.publish("a", b"")):
        with pytest.raises(Refused) as raised:
            await call
        assert "hunter2" not in str(raised.value)
    await events.close()


@pytest.mark.parametrize(
    "url", ["postgresql:///db", "postgresql://a:hunter2@b/c?pool=0", "postgresql://b?timeout=x"]
)
def test_a_wrong_url_says_what_is_wrong(url: str) -> None:
    with pytest.raises(BackendError, match="expected postgresql://") as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)
