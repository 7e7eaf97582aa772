"""Servers that are killed, hang, change their roles, under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from backends.errors import BackendUnavailable
from backends.keyvalue import DRIVERS, KeyValue
from tests.engines.engine import Engine
from tests.engines.redis import Redis, RedisCluster, RedisSentinel

TIMEOUT = 0.5
LATE = 1.0  # beyond its timeout, on a machine that does other things too
DEADLINE = 20.0


class Load:
    """Writers that remember what was acknowledged. Each call's end is watched."""

    def __init__(self, keyvalue: KeyValue) -> None:
        self._keyvalue = keyvalue
        self._done = False
        self.written: dict[str, bytes] = {}
        self.counted = 0
        self.in_doubt = 0
        self.failed = 0
        self.longest = 0.0

    async def _call(self, call: Awaitable[object]) -> bool:
        begun = time.monotonic()
        try:
            await call
        except BackendUnavailable:
            self.failed += 1
            await asyncio.sleep(0.01)
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - begun)
        return True

    async def _write(self, writer: int) -> None:
        for number in count():
            if self._done:
                return
            key, value = f"{writer} {number}", b"%d" % number
            if await self._call(self._keyvalue.set(key, value)):
                self.written[key] = value
            if await self._call(self._keyvalue.increment("counter")):
                self.counted += 1
            else:
                self.in_doubt += 1
            await self._call(self._keyvalue.get(key))
            await asyncio.sleep(0.002)

    async def during(self, faults: Callable[[], Awaitable[None]]) -> None:
        writers = [asyncio.create_task(self._write(number)) for number in range(15)]
        try:
            await asyncio.sleep(0.2)
            await faults()
        finally:
            self._done = True
            async with asyncio.timeout(TIMEOUT * 3 + LATE):
                await asyncio.gather(*writers)
        assert self.failed
        assert self.longest < TIMEOUT + LATE

    async def check(self) -> None:
        """Nothing that was acknowledged is lost, and nothing was carried out twice."""
        assert await self._keyvalue.get_many(self.written) == self.written
        counter = int(await self._keyvalue.get("counter") or 0)
        assert self.counted <= counter <= self.counted + self.in_doubt


async def is_well(keyvalue: KeyValue, *keys: str) -> None:
    """Wait until it takes writes."""
    deadline = time.monotonic() + DEADLINE
    for key in keys or ("probe",):
        while True:
            try:
                await keyvalue.set(key, b"well")
                break
            except BackendUnavailable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)


async def is_away(keyvalue: KeyValue) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            await keyvalue.check()
        except BackendUnavailable:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@asynccontextmanager
async def used(engine: Engine) -> AsyncIterator[KeyValue]:
    mark = "&" if "?" in engine.url else "?"
    keyvalue = DRIVERS.open(f"{engine.url}{mark}timeout={int(TIMEOUT * 1000)}ms")
    try:
        yield keyvalue
    finally:
        await keyvalue.close()


@pytest.mark.parametrize("fault", ["kill", "stop", "pause"])
async def test_a_server_that_goes_and_comes_back(tmp_path: Path, fault: str) -> None:
    with Redis(tmp_path) as server:
        async with used(server) as keyvalue:
            load = Load(keyvalue)

            async def faults() -> None:
                for _ in range(2):
                    await asyncio.to_thread(getattr(server, fault))
                    await is_away(keyvalue)
                    await asyncio.to_thread(server.resume if fault == "pause" else server.start)
                    await is_well(keyvalue)
                    await asyncio.sleep(0.1)

            await load.during(faults)
            await load.check()


async def test_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    server = Redis(tmp_path)
    async with used(server) as keyvalue:
        begun = time.monotonic()
        with pytest.raises(BackendUnavailable, match=f"redis://127.0.0.1:{server.port}: "):
            await keyvalue.check()
        assert time.monotonic() - begun < TIMEOUT + LATE
        with server:
            await keyvalue.check()


async def test_a_primary_that_is_no_longer_one_is_left(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        async with used(server) as keyvalue:
            await keyvalue.set("key", b"")
            await asyncio.to_thread(server.say, "REPLICAOF", "127.0.0.1", 1)
            with pytest.raises(BackendUnavailable, match="replica"):
                await keyvalue.set("key", b"")
            await asyncio.to_thread(server.say, "REPLICAOF", "NO", "ONE")
            await keyvalue.set("key", b"")


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_a_primary_under_a_sentinel(tmp_path: Path, fault: str) -> None:
    with RedisSentinel(tmp_path) as engine:
        async with used(engine) as keyvalue:
            load = Load(keyvalue)
            await is_well(keyvalue)

            async def faults() -> None:
                await asyncio.to_thread(getattr(engine.primary, fault))
                await is_away(keyvalue)
                await is_well(keyvalue)

            await load.during(faults)
            await is_well(keyvalue)
            assert b"role:master" in await asyncio.to_thread(
                engine.replica.say, "INFO", "replication"
            )


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_a_node_of_a_cluster(tmp_path: Path, fault: str) -> None:
    everywhere = [f"key {number}" for number in range(30)]
    with RedisCluster(tmp_path) as engine:
        async with used(engine) as keyvalue:
            load = Load(keyvalue)

            async def faults() -> None:
                for node in engine.members[:2]:  # also the one that the URL names
                    await asyncio.to_thread(getattr(node, fault))
                    await is_away_somewhere(keyvalue, everywhere)
                    await asyncio.to_thread(node.resume if fault == "pause" else node.start)
                    await is_well(keyvalue, *everywhere)

            await load.during(faults)
            await is_well(keyvalue, *everywhere)
            await load.check()


async def is_away_somewhere(keyvalue: KeyValue, keys: list[str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        said = await asyncio.gather(*map(keyvalue.get, keys), return_exceptions=True)
        if any(isinstance(each, BackendUnavailable) for each in said):
            return
        assert time.monotonic() < deadline
