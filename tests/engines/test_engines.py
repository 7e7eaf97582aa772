"""Each engine answers the client library that its driver uses, and keeps what it acknowledged."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import psutil
import pytest

from tests.engines.clients import CLIENTS, WORD
from tests.engines.engine import Engine, ServerProcess, listens
from tests.engines.redis import Redis, RedisSentinel, Several
from tests.engines.shared import shared

FORGETS = "azurite"  # when it is killed, what it acknowledged in the five seconds before


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CLIENTS)
async def test_an_engine_keeps_what_it_acknowledged(name: str, tmp_path: Path) -> None:
    client = CLIENTS[name]
    with client.engine(tmp_path) as engine:
        url = engine.url
        await client.write(url)
        with engine.paused():
            reading = asyncio.ensure_future(client.read(url))
            done, _ = await asyncio.wait([reading], timeout=0.2)
            assert not done
        assert await reading == WORD
        if name == FORGETS:
            engine.stop()
        else:
            engine.kill()
        assert not any(listens(port) for port in ports(engine))
        engine.start()
        assert engine.url == url
        assert await client.read(url) == WORD


@pytest.mark.parametrize("name", ["postgres", "redis", "redis-cluster", "redis-sentinel", "nats"])
async def test_an_engine_can_be_stopped_and_started(name: str, tmp_path: Path) -> None:
    client = CLIENTS[name]
    with client.engine(tmp_path) as engine:
        await client.write(engine.url)
        engine.stop()
        assert not any(listens(port) for port in ports(engine))
        engine.start()
        assert await client.read(engine.url) == WORD


def ports(engine: Engine) -> list[int]:
    if isinstance(engine, Several):
        return [member.port for member in engine.members]
    assert isinstance(engine, ServerProcess)
    return [engine.port]


async def test_a_sentinel_makes_the_replica_primary(tmp_path: Path) -> None:
    with RedisSentinel(tmp_path) as engine:
        client = CLIENTS["redis-sentinel"]
        await client.write(engine.url)
        engine.primary.kill()
        engine.wait_for_primary(engine.replica)
        assert await client.read(engine.url) == WORD


def test_a_shared_engine_is_one_and_ends_with_the_last_who_uses_it(tmp_path: Path) -> None:
    with shared(Redis, tmp_path) as one:
        with shared(Redis, tmp_path) as other:
            assert one.port == other.port
            assert one.say("SET", "word", WORD) == b"+OK\r\n"
        assert one.answers()
    assert not listens(one.port)
    with shared(Redis, tmp_path) as later:
        assert later.say("GET", "word") == b"$-1\r\n"


def test_who_comes_while_it_starts_uses_it_too(tmp_path: Path) -> None:
    coming, together = Event(), Barrier(2, timeout=20)

    class Slow(Redis):
        def start(self) -> None:
            coming.wait(20)
            super().start()

    def use() -> int:
        with shared(Slow, tmp_path) as engine:
            together.wait()
            return engine.port

    def come() -> int:
        coming.set()
        return use()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(use), pool.submit(come)
        assert one.result() == other.result()


def test_an_engine_that_does_not_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    before = psutil.Process().children()
    with (
        pytest.raises(AssertionError, match="no-such-setting"),
        Redis(tmp_path, "--no-such-setting", "1"),
    ):
        pass
    assert set(psutil.Process().children()) <= set(before)
