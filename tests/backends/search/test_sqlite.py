"""Search in SQLite."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.search import DRIVERS, Document, Field, Index, Query, Search
from tests.conformance.search import SearchContract, fresh

INDEX = Index("things", 1, {"title": Field("text"), "n": Field("number")})
WRITER = """
import asyncio, sys
from backends.search import DRIVERS, Document
from tests.backends.search.test_sqlite import INDEX

async def main(url, name):
    search = DRIVERS.open(url)
    await search.ensure(INDEX)
    for n in range(500):  # of two such writers all are counted
        some = [Document(f"{name} {n} {m}", {"title": "fox", "n": m}) for m in range(7)]
        await search.put(INDEX, some)
        print(n, flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "search.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def search(url: str) -> AsyncIterator[Search]:
    driver = DRIVERS.open(url)
    yield driver
    await driver.close()


@pytest.fixture
async def other(url: str) -> AsyncIterator[Search]:
    driver = DRIVERS.open(url)
    yield driver
    await driver.close()


class TestSqlite(SearchContract):
    pass


async def test_what_was_acknowledged_outlives_kill_9_of_writing_processes(
    search: Search, url: str
) -> None:
    await search.ensure(INDEX)
    names = ["a", "b"]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, url, name, stdout=asyncio.subprocess.PIPE
        )
        for name in names
    ]
    async with asyncio.timeout(30):
        for process in processes:
            assert process.stdout
            for _ in range(20):
                assert await process.stdout.readline()
    for process in processes:
        process.send_signal(signal.SIGKILL)
    acknowledged = {}
    for name, process in zip(names, processes, strict=True):
        said, _ = await process.communicate()
        acknowledged[name] = 20 + len(said.splitlines())
    total = sum(acknowledged.values()) * 7
    page = await search.query(INDEX, Query("fox"))
    assert page.total - total in (0, 7, 14)  # of the last, nobody was told
    for name, batches in acknowledged.items():
        last = [f"{name} {batches - 1} {m}" for m in range(7)]
        assert await search.delete(INDEX, last) == 7


async def test_a_lock_that_another_process_holds_is_waited_for_no_longer_than_the_timeout(
    search: Search, path: Path, url: str
) -> None:
    await search.ensure(INDEX)
    hasty = DRIVERS.open(f"{url}?timeout=300ms")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(BackendUnavailable, match=r"no answer in 0\.3 s"):
            await hasty.put(INDEX, [Document("a", {"title": "fox"})])
        assert time.monotonic() - started < 5
        assert (await hasty.query(INDEX, Query("fox"))).total == 0
        waiting = asyncio.create_task(search.put(INDEX, [Document("b", {"title": "fox"})]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        holder.execute("ROLLBACK")
    assert await waiting == []
    await hasty.put(INDEX, [Document("a", {"title": "fox"})])
    assert (await hasty.query(INDEX, Query("fox"))).total == 2
    await hasty.close()


async def test_a_query_that_is_too_slow_is_given_up(search: Search, url: str) -> None:
    await search.ensure(INDEX)
    words = " ".join(f"w{n}" for n in range(200))
    await search.put(INDEX, [Document(str(n), {"title": words, "n": n}) for n in range(3000)])
    hasty = DRIVERS.open(f"{url}?timeout=5ms&readers=1")
    slow = Query(" ".join(f"w{n}*" for n in range(30)))
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match="no answer in"):
            await hasty.query(INDEX, slow)
    await hasty.close()  # waits for the thread: it is not busy with them any more
    assert (await search.query(INDEX, slow)).total == 3000


async def test_who_leaves_leaves_no_work_behind(search: Search) -> None:
    await search.ensure(INDEX)
    asked = [asyncio.create_task(search.query(INDEX, Query("fox"))) for _ in range(50)]
    put = asyncio.create_task(search.put(INDEX, [Document("a", {"title": "fox"})]))
    await asyncio.sleep(0)
    for task in (*asked, put):
        task.cancel()
    said = await asyncio.gather(*asked, put, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in said)
    await search.put(INDEX, [Document("b", {"title": "fox"})])
    assert (await search.query(INDEX, Query("fox"))).total in (1, 2)


async def test_more_than_a_bounded_number_does_not_wait(search: Search) -> None:
    await search.ensure(INDEX)
    asked = [search.query(INDEX, Query("fox")) for _ in range(1500)]
    said = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in said if isinstance(each, BackendUnavailable)]
    assert len(refused) == 500
    assert "too many wait" in str(refused[0])
    assert (await search.query(INDEX, Query("fox"))).total == 0


async def test_a_full_disk_is_refused_and_what_was_there_stays(search: Search) -> None:
    await search.ensure(INDEX)
    await search.put(INDEX, [Document("a", {"title": "fox"})])

    async def put_much() -> None:
        for n in range(100):
            await search.put(INDEX, [Document(f"big {n}", {"title": f"w{n} " * 20_000})])

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, before[1]))
    try:
        with pytest.raises(BackendError, match="SQLite"):
            await put_much()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [hit.id for hit in (await search.query(INDEX, Query("fox"))).hits] == ["a"]
    await search.put(INDEX, [Document("b", {"title": "fox"})])
    assert (await search.query(INDEX, Query("fox"))).total == 2


@pytest.fixture
def rubbish(path: Path) -> Path:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    return path


async def test_a_file_that_is_no_database_is_refused(rubbish: Path, search: Search) -> None:
    for call in (search.ensure(INDEX), search.check(), search.query(INDEX, Query("secret"))):
        with pytest.raises(Refused, match="SQLITE_NOTADB"):
            await call
    await asyncio.to_thread(rubbish.unlink)
    assert await search.ensure(INDEX) is False


async def test_a_file_of_a_newer_version_is_left_alone(path: Path, search: Search) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(Refused, match="newer version"):
        await search.ensure(INDEX)


async def test_a_place_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    search = DRIVERS.open(f"sqlite:///{tmp_path}/file/below.db")
    with pytest.raises(BackendError, match="folder"):
        await search.check()
    await search.close()


async def test_an_index_dropped_and_made_again_by_another_process_is_found(
    search: Search, other: Search
) -> None:
    index = fresh()
    await search.ensure(index)
    await search.put(index, [Document("a", {})])
    await other.drop(index)
    await other.ensure(index)
    assert await search.put(index, [Document("b", {})]) == []
    assert [hit.id for hit in (await search.query(index, Query())).hits] == ["b"]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite://host/file",
        "sqlite:///file?timeout=5",
        "sqlite:///file?timeout=0s",
        "sqlite:///file?readers=0",
        "sqlite:///file?readers=x",
        "sqlite:///file?synchronous=off",
        "sqlite:///file?tls=true",
        "sqlite:///file?nothing=1",
    ],
)
def test_what_the_url_must_not_be(url: str) -> None:
    with pytest.raises(BackendError, match="search: "):
        DRIVERS.open(url)
