from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from backends.errors import BackendError, BackendUnavailable
from backends.events import BEGIN, DRIVERS, CursorExpired, Log
from tests.backends.events.faults import nothing_acknowledged_is_lost
from tests.conformance.events import LogContract, bodies, take
from tests.engines.nats import Nats

names = count()


def opened(server: Nats, options: str = "timeout=60s", stream: str = "") -> Log:
    """No test has the time that an answer has: closing waits for none."""
    name = stream or f"log{next(names)}"
    return cast(Log, DRIVERS.open(f"{server.url}/{name}?{options}"))


class TestNats(LogContract):
    @pytest.fixture
    async def events(self, nats: Nats) -> AsyncIterator[Log]:
        events = opened(nats)
        yield events
        await events.close()

    @pytest.fixture
    def namespace(self) -> str:
        return "nats"


@pytest.mark.parametrize(
    ("options", "least", "most"), [("max_events=10", 10, 10), ("max_bytes=4KiB", 5, 29)]
)
async def test_retention_is_bounded(nats: Nats, options: str, least: int, most: int) -> None:
    events = opened(nats, f"timeout=10s&{options}")
    before = await events.latest()
    for number in range(30):
        await events.publish("a", b"%0100d" % number)
    async with events.subscribe("a", after=BEGIN) as said:
        first = int((await bodies(said, 1))[0])
        assert least <= 30 - first <= most
        got = [int(body) for body in await bodies(said, 29 - first)]
        assert got == list(range(first + 1, 30))
    with pytest.raises(CursorExpired):
        async with events.subscribe("a", after=before):
            pass
    await events.close()


async def test_who_is_overtaken_by_retention_is_told(nats: Nats) -> None:
    events = opened(nats, "timeout=10s&max_events=10")
    async with events.subscribe("a") as said:
        for _ in range(30):
            await events.publish("a", b"")
        with pytest.raises(CursorExpired):
            await take(said, 1)
    await events.close()


async def test_what_another_publishes_comes(nats: Nats) -> None:
    one, other = opened(nats, stream="same"), opened(nats, stream="same")
    async with one.subscribe("a") as said:
        for number in range(3):
            waiting = asyncio.ensure_future(bodies(said, 1))
            await other.publish("a", b"%d" % number)
            assert await waiting == [b"%d" % number]
    await one.close()
    await other.close()


async def test_a_cursor_of_another_stream_has_expired(nats: Nats) -> None:
    one, other = opened(nats), opened(nats)
    cursor = await one.latest()
    with pytest.raises(CursorExpired):
        async with other.subscribe("a", after=cursor):
            pass
    await one.close()
    await other.close()


@pytest.mark.parametrize("fault", ["kill", "stop", "pause"])
async def test_nothing_acknowledged_is_lost(tmp_path: Path, fault: str) -> None:
    with Nats(tmp_path) as server:
        log = opened(server, "timeout=500ms")
        await nothing_acknowledged_is_lost(log, server, [fault, fault])
        await log.close()


async def test_without_its_server_nobody_is_subscribed(tmp_path: Path) -> None:
    events = opened(Nats(tmp_path), "timeout=500ms")
    with pytest.raises(BackendUnavailable):
        async with events.subscribe("a"):
            pass
    await events.close()


async def test_it_does_not_speak_in_the_clear_when_told_to_use_tls(nats: Nats) -> None:
    url = nats.url.replace("nats://", "nats://user:hunter2@")
    events = DRIVERS.open(f"{url}/log?tls=true&timeout=2s")
    with pytest.raises(BackendError, match="SecureConnWanted") as raised:
        await events.check()
    assert "hunter2" not in str(raised.value)
    await events.close()


@pytest.mark.parametrize(
    "query", ["replicas=0", "timeout=hunter2", "max_age=1ms", "max_events=0", "hunter=2"]
)
def test_a_wrong_url_says_what_is_wrong(query: str) -> None:
    with pytest.raises(BackendError, match="events: ") as raised:
        DRIVERS.open(f"nats://user:hunter2@host/stream?{query}")
    assert "hunter2" not in str(raised.value)
