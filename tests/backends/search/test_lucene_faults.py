"""Elasticsearch and OpenSearch that are killed or hang, and servers that are something else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from backends.errors import BackendError, BackendUnavailable, Refused
from backends.search import DRIVERS, Document, Field, Index, Query, Search
from tests.engines.engine import free_port
from tests.engines.searching import Elasticsearch, OpenSearch, SearchNode

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine

DEADLINE = 60.0
INDEX = Index("faults", 1, {"title": Field("text"), "n": Field("number")})
SCHEMES = ["elasticsearch", "opensearch"]
Answer = Callable[[web.Request], web.Response]


@pytest.fixture(params=[Elasticsearch, OpenSearch], ids=SCHEMES)
def fragile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SearchNode]:
    """To be stopped and killed."""
    with request.param(tmp_path) as engine:
        yield engine


@pytest.fixture
async def search(fragile: SearchNode) -> AsyncIterator[Search]:
    driver = DRIVERS.open(f"{fragile.url}?timeout=1s&shards=1&replicas=0")
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            await driver.ensure(INDEX)
            break
        except BackendUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    yield driver
    await driver.drop(INDEX)
    await driver.close()


async def load(search: Search, name: str, until: asyncio.Event) -> tuple[list[str], int]:
    """The ids that were acknowledged, and how often the engine was away."""
    acknowledged: list[str] = []
    away = number = 0
    while not until.is_set():
        some = [Document(f"{name} {number} {each}", {"title": "fox"}) for each in range(5)]
        number += 1
        started = time.monotonic()
        try:
            assert await search.put(INDEX, some) == []
        except BackendUnavailable:
            away += 1
            await asyncio.sleep(0.05)
        else:
            acknowledged += [each.id for each in some]
        assert time.monotonic() - started < 10
    return acknowledged, away


async def until_it_answers(search: Search) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            await search.put(INDEX, [Document("probe", {})])
            return
        except BackendUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


async def test_one_that_hangs_and_is_killed_under_load_loses_nothing_and_comes_back(
    search: Search, fragile: SearchNode
) -> None:
    """One test, as it takes long to start."""
    await one_that_hangs_is_away_within_the_timeout(search, fragile)
    done = asyncio.Event()
    clients = [asyncio.create_task(load(search, f"c{n}", done)) for n in range(4)]
    await asyncio.sleep(0.5)
    await asyncio.to_thread(fragile.kill)
    with pytest.raises(BackendUnavailable):
        await search.query(INDEX, Query())
    with pytest.raises(BackendUnavailable):
        await search.check()
    await asyncio.to_thread(fragile.start)
    await until_it_answers(search)
    await asyncio.sleep(0.2)
    done.set()
    said = await asyncio.gather(*clients)
    assert all(ids and away for ids, away in said)
    acknowledged = [one for ids, _ in said for one in ids]
    assert await search.delete(INDEX, acknowledged) == len(acknowledged)


async def one_that_hangs_is_away_within_the_timeout(search: Search, fragile: SearchNode) -> None:
    with fragile.paused():
        started = time.monotonic()
        calls = [search.query(INDEX, Query()), search.put(INDEX, [Document("a", {})])]
        for said in await asyncio.gather(*calls, search.check(), return_exceptions=True):
            assert isinstance(said, BackendUnavailable)
            assert "no answer in 1 s" in str(said)
        assert time.monotonic() - started < 5
    await until_it_answers(search)


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.Response:
        await request.read()
        response = answer(request)
        response.headers["x-elastic-product"] = "Elasticsearch"
        return response

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


def bulk_answer(*statuses: tuple[int, str]) -> web.Response:
    items = [
        {
            "index": {
                "_id": str(place),
                "status": status,
                **({"error": {"type": kind}} if kind else {}),
            }
        }
        for place, (status, kind) in enumerate(statuses)
    ]
    return web.json_response({"errors": True, "items": items})


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_only_those_refused_as_too_many_are_sent_again(scheme: str) -> None:
    bodies = []

    def answer(request: web.Request) -> web.Response:
        bodies.append(request._read_bytes or b"")  # what was read above
        if len(bodies) == 1:
            return web.json_response({"error": {"type": "too_many_requests"}}, status=429)
        if len(bodies) == 2:
            return bulk_answer(
                (201, ""), (429, "es_rejected_execution_exception"), (400, "odd_one")
            )
        return bulk_answer((201, ""))

    async with server(answer) as port:
        search = DRIVERS.open(f"{scheme}://127.0.0.1:{port}")
        failures = await search.put(INDEX, [Document(str(n), {"n": n}) for n in range(3)])
        await search.close()
    assert [(each.id, each.reason) for each in failures] == [("2", "the server says odd_one")]
    assert [body.count(b'{"index"') for body in bodies] == [3, 3, 1]
    assert b'"_id":"1"' in bodies[2]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_one_that_stays_too_busy_is_away_after_the_timeout(scheme: str) -> None:
    async with server(lambda _: bulk_answer((429, "busy"))) as port:
        search = DRIVERS.open(f"{scheme}://127.0.0.1:{port}?timeout=300ms")
        with pytest.raises(BackendUnavailable, match="too busy"):
            await search.put(INDEX, [Document("a", {})])
        await search.close()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_what_is_sent_at_once_is_bounded(scheme: str) -> None:
    sizes: list[int] = []

    def answer(request: web.Request) -> web.Response:
        body = request._read_bytes or b""
        sizes.append(len(body))
        return bulk_answer(*[(201, "")] * body.count(b'{"index"'))

    async with server(answer) as port:
        search = DRIVERS.open(f"{scheme}://127.0.0.1:{port}?chunk=10000")
        documents = [Document(str(n), {"title": "word " * 100}) for n in range(100)]
        assert await search.put(INDEX, [*documents, Document("big", {"title": "w " * 9000})]) == []
        await search.close()
    assert len(sizes) > 10
    assert max(sizes[:-1]) <= 10_000 < sizes[-1]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (401, "security_exception", Refused),
        (403, "cluster_block_exception", Refused),
        (400, "search_phase_execution_exception", Refused),
        (500, "odd", BackendUnavailable),
        (502, "", BackendUnavailable),
    ],
)
async def test_no_answer_of_the_server_nor_a_password_is_in_a_message(
    scheme: str, status: int, kind: str, expected: type[BackendError]
) -> None:
    said = {"error": {"type": kind, "reason": "hush-value", "root_cause": [{"reason": "hush"}]}}
    async with server(lambda _: web.json_response(said, status=status)) as port:
        search = DRIVERS.open(f"{scheme}://me:hush-word@127.0.0.1:{port}/base?timeout=1s")
        for call in (search.query(INDEX, Query("x")), search.put(INDEX, [Document("a", {})])):
            with pytest.raises(expected, match=str(status)) as raised:
                await call
            assert "hush" not in str(raised.value)
            assert raised.value.__cause__ is None
        assert "hush" not in repr(search)
        await search.close()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_login_and_the_path_of_the_url_are_used(scheme: str) -> None:
    asked = []

    def answer(request: web.Request) -> web.Response:
        asked.append((request.path.split("/")[1], request.headers.get("authorization")))
        return web.json_response({})

    async with server(answer) as port:
        search = DRIVERS.open(f"{scheme}://me:p%40ss@127.0.0.1:{port}/base")
        await search.check()
        await search.close()
    assert asked == [("base", "Basic bWU6cEBzcw==")]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_what_is_no_such_server_is_away(scheme: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"+PONG\r\n")
        writer.close()

    port = free_port()
    talking = await asyncio.start_server(talk, "127.0.0.1", port)
    search = DRIVERS.open(f"{scheme}://127.0.0.1:{port}")
    with pytest.raises(BackendUnavailable):
        await search.check()
    await search.close()
    talking.close()


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_another_host_is_asked_when_one_is_away(scheme: str) -> None:
    async with server(lambda _: web.json_response({})) as port:
        search = DRIVERS.open(f"{scheme}://127.0.0.1:{free_port()},127.0.0.1:{port}")
        for _ in range(4):
            await search.check()
        await search.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "rest",
    [
        "/",
        "h?timeout=1",
        "h?chunk=x",
        "h?chunk=1B",
        "h?connections=0",
        "h?shards=-1",
        "h?replicas=x",
        "h?prefix=A",
        "h?prefix=",
        "h?nothing=1",
        "h?tls=maybe",
    ],
)
def test_what_the_url_must_not_be(scheme: str, rest: str) -> None:
    with pytest.raises(BackendError, match="search: "):
        DRIVERS.open(f"{scheme}://{rest}")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_certificate_that_cannot_be_read_is_an_error(scheme: str) -> None:
    search = DRIVERS.open(f"{scheme}://127.0.0.1:1?tls_ca=/nowhere.pem")
    with pytest.raises(BackendError, match="PEM"):
        await search.check()
    await search.close()
