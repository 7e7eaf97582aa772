"""A server that is killed, hangs, forgets its changes, or knows its users."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from backends.documents import DRIVERS, Change, CursorExpired, Documents, Insert, Watch
from backends.errors import BackendError, BackendUnavailable, Refused
from tests.engines.engine import ServerProcess, free_port
from tests.engines.mongodb import MongoDB
from tests.engines.secantus import Secantus

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine

DEADLINE = 40.0
QUICK = "timeout=1s&beat=200ms&poll=20ms"
ENGINES = {"streams": Secantus, "field": MongoDB}


@pytest.fixture(params=ENGINES)
def fragile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    with ENGINES[request.param](tmp_path) as engine:
        yield engine


@pytest.fixture
async def documents(fragile: ServerProcess) -> AsyncIterator[Documents]:
    driver = DRIVERS.open(f"{fragile.url}?{QUICK}")
    yield driver
    await driver.close()


async def load(documents: Documents, name: str, until: asyncio.Event) -> tuple[list[str], int]:
    """The keys that were acknowledged, and how often the engine was away."""
    acknowledged: list[str] = []
    away = number = 0
    while not until.is_set():
        key = f"{name} {number}"
        number += 1
        started = time.monotonic()
        try:
            if number % 2:
                await documents.insert("kept", {"_id": key, "n": time.time_ns()})
            else:
                done = await documents.bulk("kept", [Insert({"_id": key, "n": time.time_ns()})])
                assert done.made == 1
        except BackendUnavailable:
            away += 1
            await asyncio.sleep(0.02)
        else:
            acknowledged.append(key)
        assert time.monotonic() - started < 5
    return acknowledged, away


async def seen(watch: Watch, keys: set[Any]) -> None:
    async with aclosing(watch.__aiter__()) as reading:  # type: ignore[type-var]  # a generator
        async for each in reading:
            if isinstance(each, Change):
                keys.add(each.key)


async def until_it_answers(documents: Documents) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return await documents.check()
        except BackendUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_killed_under_load_nothing_acknowledged_is_lost_nor_missed_by_a_watch(
    documents: Documents, fragile: ServerProcess
) -> None:
    done = asyncio.Event()
    watched: set[Any] = set()
    async with documents.watch("kept", field="n") as watch:
        watching = asyncio.create_task(seen(watch, watched))
        clients = [asyncio.create_task(load(documents, f"c{n}", done)) for n in range(3)]
        for _ in range(2):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(fragile.kill)
            with pytest.raises(BackendUnavailable):
                await documents.get("kept", "x")
            await asyncio.to_thread(fragile.start)
            await until_it_answers(documents)
        await asyncio.sleep(0.2)
        done.set()
        said = await asyncio.gather(*clients)
        assert all(keys and away for keys, away in said)
        acknowledged = {key for keys, _ in said for key in keys}
        async with aclosing(documents.find("kept", fields=[])) as batches:
            there = {each["_id"] async for batch in batches for each in batch}
        assert acknowledged <= there
        await documents.insert("kept", {"_id": "last", "n": time.time_ns()})
        deadline = time.monotonic() + DEADLINE
        while "last" not in watched:
            assert time.monotonic() < deadline
            assert not watching.done()
            await asyncio.sleep(0.02)
        watching.cancel()
        await asyncio.wait([watching])
    assert acknowledged <= watched


async def test_one_that_hangs_is_away_within_the_timeout_and_comes_back(
    documents: Documents, fragile: ServerProcess
) -> None:
    await documents.insert("kept", {"_id": 1})
    with fragile.paused():
        started = time.monotonic()
        calls = [documents.get("kept", 1), documents.insert("kept", {}), documents.check()]
        for said in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(said, BackendUnavailable), said
        assert time.monotonic() - started < 3
    await until_it_answers(documents)
    assert await documents.get("kept", 1) == {"_id": 1}


async def test_one_that_was_never_there_is_found_when_it_comes(tmp_path: Path) -> None:
    engine = Secantus(tmp_path)
    documents = DRIVERS.open(f"{engine.url}?{QUICK}")
    with pytest.raises(BackendUnavailable, match=r"mongodb://127\.0\.0\.1:\d+"):
        await documents.check()
    await asyncio.to_thread(engine.start)
    try:
        await until_it_answers(documents)
        await documents.close()
    finally:
        await asyncio.to_thread(engine.kill)


async def test_a_cursor_whose_changes_are_forgotten_is_told_as_expired(tmp_path: Path) -> None:
    with Secantus(tmp_path, kept=20) as engine:
        documents = DRIVERS.open(f"{engine.url}?{QUICK}")
        async with documents.watch("kept") as watch, aclosing(_changes(watch)) as changes:
            await documents.insert("kept", {"_id": "first"})
            cursor = (await anext(changes)).cursor
        await documents.bulk("kept", [Insert({"n": n}) for n in range(2000)])

        async def read_on() -> None:
            async with (
                documents.watch("kept", after=cursor) as watch,
                aclosing(_changes(watch)) as changes,
            ):
                await anext(changes)

        deadline = time.monotonic() + DEADLINE
        while True:  # it forgets now and then
            try:
                await read_on()
            except CursorExpired:
                break
            assert time.monotonic() < deadline
            await documents.bulk("kept", [Insert({"n": n}) for n in range(500)])
        await documents.close()


async def _changes(watch: Watch) -> Any:
    async with aclosing(watch.__aiter__()) as reading:  # type: ignore[type-var]  # a generator
        async for each in reading:
            if isinstance(each, Change):
                yield each


async def test_a_login_is_used_and_a_wrong_one_refused_without_a_word_of_it(tmp_path: Path) -> None:
    with Secantus(tmp_path) as engine:
        with MongoClient[dict[str, Any]](engine.url) as client:
            client.admin.command("createUser", "me", pwd="p@ss-hush", roles=["root"])
        engine.kill()
    engine.auth = True
    with engine:
        place = f"127.0.0.1:{engine.port}/db?{QUICK}&auth_source=admin"
        documents = DRIVERS.open(f"mongodb://me:p%40ss-hush@{place}")
        await documents.insert("kept", {"_id": 1})
        await documents.close()
        for login in ("me:wrong-hush@", ""):
            documents = DRIVERS.open(f"mongodb://{login}{place}")
            with pytest.raises(Refused) as raised:
                await documents.get("kept", 1)
            assert "hush" not in str(raised.value) + repr(documents)
            await documents.close()


async def test_what_is_no_such_server_is_away() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    port = free_port()
    talking = await asyncio.start_server(talk, "127.0.0.1", port)
    documents = DRIVERS.open(f"mongodb://127.0.0.1:{port}/db?{QUICK}")
    with pytest.raises(BackendUnavailable):
        await documents.check()
    await documents.close()
    talking.close()


async def test_a_certificate_that_cannot_be_read_is_an_error() -> None:
    documents = DRIVERS.open(f"mongodb://127.0.0.1:1/db?{QUICK}&tls_ca=/nowhere.pem")
    with pytest.raises(BackendError, match="tls_ca"):
        await documents.check()
    await documents.close()
