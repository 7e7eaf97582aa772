from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.events import DRIVERS, Events, Lagged
from tests.backends.events.faults import told_of_the_gap
from tests.conformance.events import EventsContract, bodies
from tests.engines.redis import Redis

names = count()


class TestRedisEvents(EventsContract):
    @pytest.fixture
    async def events(self, redis: Redis) -> AsyncIterator[Events]:
        events = DRIVERS.open(f"{redis.url}?timeout=10s&queue=20&queue_bytes=100KiB")
        yield events
        await events.close()

    @pytest.fixture
    def namespace(self) -> str:
        return f"redis{next(names)}"


async def test_what_another_publishes_comes(redis: Redis) -> None:
    one, other, stranger = (
        DRIVERS.open(f"{redis.url}?timeout=10s&prefix={prefix}") for prefix in ("x:", "x:", "y:")
    )
    async with one.subscribe(">") as said:
        await stranger.publish("a", b"1")
        await other.publish("a", b"2")
        assert await bodies(said, 1) == [b"2"]
    for each in (one, other, stranger):
        await each.close()


@pytest.mark.parametrize("fault", ["kill", "stop"])
async def test_a_subscriber_is_told_of_a_gap(tmp_path: Path, fault: str) -> None:
    with Redis(tmp_path) as server:
        events = DRIVERS.open(f"{server.url}?timeout=500ms")
        await told_of_the_gap(events, server, fault)
        await events.close()


async def test_a_connection_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.events.redis.HEARTBEAT", 0.2)
    with Redis(tmp_path) as server:
        events = DRIVERS.open(f"{server.url}?timeout=500ms")
        async with events.subscribe("a") as said:
            await asyncio.sleep(0.5)  # is not given up while it answers
            await asyncio.to_thread(server.pause)
            await asyncio.sleep(1)
            await asyncio.to_thread(server.resume)
            async with asyncio.timeout(15):
                assert await anext(said) == Lagged(None)
            await events.publish("a", b"1")
            assert await bodies(said, 1) == [b"1"]
        await events.close()


async def test_without_its_server_nobody_is_subscribed(tmp_path: Path) -> None:
    server = Redis(tmp_path)
    events = DRIVERS.open(f"{server.url}?timeout=500ms")
    with pytest.raises(BackendUnavailable):
        async with events.subscribe("a"):
            pass
    with server:
        async with events.subscribe("a") as said:
            await events.publish("a", b"1")
            assert await bodies(said, 1) == [b"1"]
    await events.close()


async def test_a_login_that_is_wrong_is_refused(redis: Redis) -> None:
    events = DRIVERS.open(redis.url.replace("//", "//me:hunter2@"))
    with pytest.raises(Refused, match="login") as raised:
        async with events.subscribe("a"):
            pass
    assert "hunter2" not in str(raised.value)
    await events.close()


@pytest.mark.parametrize("url", ["redis://host?queue=hunter2", "redis://:hunter2@host?queue=0"])
def test_a_wrong_url_says_what_is_wrong(url: str) -> None:
    with pytest.raises(BackendError, match="queue") as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)
