"""Workers that do not come up, or do not go."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.app import configuration
from gateway.supervisor.crew import Crew, Patience
from gateway.supervisor.process import NotStarted
from gateway.supervisor.reloading import Reloading
from gateway.telemetry.metrics import Metrics

FILE = """\
version: 1
server: {workers: 2, listen: ["127.0.0.1:0"], admin: null, access_log: off, drain: 0s}
plugins: {odd: {use: "./odd.py"}}
routes: [{id: odd, match: {path: /**}, plugin: odd}]
"""
PLUGIN = """\
import asyncio, os, signal, threading, time
from pathlib import Path
from gateway import Middleware, Plugin

class Refusing(Middleware):
    async def start(self):
        raise RuntimeError("not me")

class Odd(Plugin):
    async def start(self):
        word = Path(__file__).with_name("word").read_text()
        number = self.context.worker
        if word == "hang":
            await asyncio.Event().wait()
        if word == "block":
            time.sleep(60)
        if word == "linger":
            self.stop = lambda: asyncio.sleep(60)
        if word == "once":
            marker = Path(__file__).with_name("marker")
            if marker.exists():
                raise RuntimeError("once is enough")
            marker.touch()

    async def stop(self):
        Path(__file__).with_name("stopped").touch()
"""

PATIENCE = Patience()

Make = Callable[..., Crew]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes a crew whose plugin behaves as a word says. None of its processes is left."""
    made: list[Crew] = []

    def crew(word: str = "", patience: Patience = PATIENCE) -> Crew:
        file = tmp_path / "gateway.yaml"
        file.write_text(FILE)
        (tmp_path / "odd.py").write_text(PLUGIN)
        (tmp_path / "word").write_text(word)
        server = configuration(file).config.server
        made.append(Crew(file, FILE.encode(), server, Metrics(process=False), patience))
        return made[-1]

    yield crew
    for each in made:
        each.kill()
        await each.drain(hurry=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - processes set no events
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("word", ["hang", "block"])
async def test_a_worker_that_never_becomes_ready_is_ended(make: Make, word: str) -> None:
    crew = make(word, Patience(start=1.5))
    with pytest.raises(NotStarted, match=r"worker \d: start: no answer within 1.5 s"):
        await crew.start()
    assert not crew.processes


async def test_when_one_cannot_start_none_is_left(make: Make) -> None:
    crew = make("once")
    with pytest.raises(NotStarted, match="once is enough"):
        await crew.start()
    assert not crew.processes


async def test_a_worker_that_does_not_leave_in_time_is_ended(
    make: Make,
) -> None:
    crew = make("linger", Patience(stop=1.0))
    await crew.start()
    pids = [worker.pid for worker in crew.workers()]
    assert len(pids) == 2
    await crew.drain(hurry=False)
    assert not crew.processes
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_worker_that_hangs_in_a_reload_is_not_waited_for_forever(
    make: Make, tmp_path: Path
) -> None:
    crew = make()
    await crew.start()
    crew.patience = Patience(start=2.0, answer=1.0)
    stopped = crew.workers()[1]
    os.kill(stopped.pid, signal.SIGSTOP)
    reloading = Reloading(crew, Metrics(process=False))
    assert await reloading.reload() == ["worker 1: prepare: no answer within 2 s"]
    os.kill(stopped.pid, signal.SIGCONT)
    (tmp_path / "gateway.yaml").write_text(FILE + "\n")
    assert await reloading.reload() == []
    assert [worker.content for worker in crew.workers()] == [FILE.encode() + b"\n"] * 2


async def test_a_worker_that_is_megabytes_behind_is_replaced(make: Make) -> None:
    crew = make()
    await crew.start()
    hung = crew.workers()[0]
    os.kill(hung.pid, signal.SIGSTOP)
    for _ in range(12):
        hung.tell("message", {"topic": "a", "payload": bytes(1_000_000)})
    await asyncio.wait([hung.ended], timeout=20)
    await until(lambda: len(crew.workers()) == 2)
    assert hung not in crew.workers()
    assert hung.how_it_ended() == "it was ended by SIGKILL"
    assert hung.resident() == 0


async def test_a_worker_that_hangs_is_replaced_and_one_that_stood_still_for_a_moment_is_not(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    crew = make(patience=Patience(answer=0.4))
    await crew.start()
    paused, hung = crew.workers()
    os.kill(paused.pid, signal.SIGSTOP)
    os.kill(hung.pid, signal.SIGSTOP)
    await asyncio.sleep(1.0)  # two or three questions without an answer
    os.kill(paused.pid, signal.SIGCONT)
    await until(lambda: len(crew.workers()) == 2 and hung not in crew.workers())
    assert crew.workers()[0] is paused
    assert hung.how_it_ended() == "it was ended by SIGKILL"
    assert f"worker 1 (process {hung.pid}) has not answered for 2.4 s" in caplog.text


async def test_a_worker_that_takes_no_commit_is_replaced_by_one_that_serves_the_new_file(
    make: Make, tmp_path: Path
) -> None:
    crew = make()
    await crew.start()
    reloading = Reloading(crew, Metrics(process=False))
    victim = crew.workers()[1]
    (tmp_path / "gateway.yaml").write_text(FILE + "\n")
    reload = asyncio.create_task(reloading.reload())
    os.kill(victim.pid, signal.SIGKILL)
    await reload
    await until(lambda: len(crew.workers()) == 2 and victim not in crew.workers())
    assert {worker.content for worker in crew.workers()} == {crew.content}


async def test_a_worker_that_cannot_start_stops_what_it_had_started(
    make: Make, tmp_path: Path
) -> None:
    crew = make("note")
    crew.content = crew.content.replace(
        b"routes:", b"middlewares: {refusing: {use: ./odd.py:Refusing}}\nroutes:"
    )
    with pytest.raises(NotStarted, match="middleware refusing failed to start"):
        await crew.start()
    assert (tmp_path / "stopped").exists()
