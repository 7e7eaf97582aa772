from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from backends.errors import BackendError, Refused
from backends.events import BEGIN, DRIVERS, CursorExpired, Log
from tests.conformance.events import LogContract, bodies, take


def opened(folder: Path, options: str = "") -> Log:
    return cast(Log, DRIVERS.open(f"sqlite:///{folder}/events.db{options}"))


@pytest.fixture
async def events(tmp_path: Path) -> AsyncIterator[Log]:
    events = opened(tmp_path)
    yield events
    await events.close()


class TestSqliteEvents(LogContract):
    @pytest.fixture
    def events(self, events: Log) -> Log:
        return events

    @pytest.fixture
    def namespace(self) -> str:
        return "sqlite"


async def test_what_another_process_publishes_comes(events: Log, tmp_path: Path) -> None:
    async with events.subscribe("a.*") as said:
        code = f"""
import asyncio
from backends.events import DRIVERS
async def main():
    events = DRIVERS.open("sqlite:///{tmp_path}/events.db")
    await asyncio.gather(*[events.publish(f"a.{{n}}", b"%d" % n) for n in range(100)])
    await events.close()
asyncio.run(main())
"""
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code])
        assert done.returncode == 0
        assert await bodies(said, 100) == [b"%d" % n for n in range(100)]


async def test_what_was_acknowledged_survives_kill_9(events: Log, tmp_path: Path) -> None:
    code = f"""
import asyncio, os, signal
from backends.events import DRIVERS
async def main():
    events = DRIVERS.open("sqlite:///{tmp_path}/events.db")
    for n in range(50):
        await events.publish("a", b"%d" % n)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code])
    async with events.subscribe("a", after=BEGIN) as said:
        assert await bodies(said, 50) == [b"%d" % n for n in range(50)]


@pytest.mark.parametrize(
    ("options", "kept"), [("?max_events=10", 10), ("?max_bytes=1010B", 10), ("?max_age=1ms", 1)]
)
async def test_retention_is_bounded(tmp_path: Path, options: str, kept: int) -> None:
    events = opened(tmp_path, options)
    before = await events.latest()
    for number in range(30):
        await events.publish("a", b"%0100d" % number)
        await asyncio.sleep(0.002)
    async with events.subscribe("a", after=BEGIN) as said:
        assert [int(body) for body in await bodies(said, kept)] == list(range(30 - kept, 30))
    with pytest.raises(CursorExpired):
        async with events.subscribe("a", after=before):
            pass
    await events.close()


async def test_who_is_overtaken_by_retention_is_told(tmp_path: Path) -> None:
    events = opened(tmp_path, "?max_events=10")
    async with events.subscribe("a") as said:
        for _ in range(30):
            await events.publish("a", b"")
        with pytest.raises(CursorExpired):
            await take(said, 1)
    await events.close()


async def test_an_idle_subscriber_is_not_overtaken_by_what_it_does_not_want(
    tmp_path: Path,
) -> None:
    events = opened(tmp_path, "?max_events=10")
    async with events.subscribe("wanted") as said:
        waiting = asyncio.ensure_future(take(said, 1))
        for _ in range(100):
            await events.publish("other", b"")
            await asyncio.sleep(0.002)
        await events.publish("wanted", b"")
        assert (await waiting)[0].topic == "wanted"
    await events.close()


async def test_a_cursor_of_another_log_has_expired(events: Log, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = opened(tmp_path / "other")
    cursor = await other.latest()
    await other.close()
    with pytest.raises(CursorExpired):
        async with events.subscribe("a", after=cursor):
            pass


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    events = opened(tmp_path)
    waiting = [asyncio.ensure_future(events.publish("a", b"")) for _ in range(50)]
    await asyncio.sleep(0)
    await events.close()
    await asyncio.gather(*waiting)


async def test_a_file_that_cannot_be_is_refused(tmp_path: Path) -> None:
    events = opened(tmp_path / "nowhere")
    with pytest.raises(Refused, match="cannot be opened"):
        await events.publish("a", b"")
    await events.close()


@pytest.mark.parametrize(
    "url",
    ["sqlite://hunter2/x", "sqlite:///", "sqlite:///x?poll=hunter2", "sqlite:///x?max_age=hunter2"],
)
def test_a_wrong_url_says_what_is_wrong(url: str) -> None:
    with pytest.raises(BackendError, match="events: ") as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)
