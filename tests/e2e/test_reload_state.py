"""What a reload does not change keeps its state: breakers, limits, pools and health."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.fleet import group, healthy
from tests.e2e.gateway_process import eventually
from tests.e2e.rawhttp import answer, request
from tests.e2e.scripted_upstream import UpstreamConnection
from tests.e2e.site import Site

PARTS = """\
from aiohttp import web
from gateway import Middleware, Plugin
import msgspec

class WordOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str

class Words(Plugin[WordOptions]):
    Options = WordOptions
    def offers(self):
        return self.options.word

class Echo(Plugin):
    async def start(self):
        self.word = self.context.plugin("words")
    def routes(self):
        return [web.get("/{rest:.*}", self.say)]
    async def say(self, request):
        return web.Response(text=self.word)

class Marked(Middleware):
    async def start(self):
        self.word = self.context.plugin("words")
        self.requests = 0
    def response(self, exchange):
        self.requests += 1
        exchange.answer.headers.set("X-Word", f"{self.word} {self.requests}")

class Counting(Marked):
    async def start(self):
        self.word = "none"
        self.requests = 0
"""


def described(folder: Path) -> Site:
    (folder / "parts.py").write_text(PARTS)
    site = Site(folder)
    site.plugins["words"] = {"use": "./parts.py:Words", "word": "one"}
    site.middlewares |= {
        "extra": {"use": "body_limit", "max": "1KiB"},
        "guard": {"use": "circuit_breaker", "min_requests": 2, "open_for": "60s"},
        "per_ip": {"use": "rate_limit", "rate": "2/h"},
        "one": {"use": "concurrency_limit", "max": 1},
    }
    return site


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    """For one test, which starts it."""
    site = described(tmp_path)
    yield site
    site.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serves a route or an upstream of its own for each test."""
    site = described(tmp_path_factory.mktemp("site"))
    site.route("limited", "/limited", middlewares=["extra", "per_ip"], respond={})
    site.pool("bad", route={"middlewares": ["extra", "guard"]})
    site.pool("slow", route={"middlewares": ["extra", "one"]})
    group(site, "pair", 2, health={"passive": {"failures": 2, "eject_for": "60s"}})
    try:
        yield site.start()
    finally:
        site.close()


def change(site: Site, **fresh: Any) -> None:
    """The plugin and one middleware, and whatever else is told, by one reload."""
    site.plugins["words"]["word"] += "!"
    site.middlewares["extra"]["max"] = f"{len(site.plugins['words']['word'])}KiB"
    for section, entries in fresh.items():
        getattr(site, section).update(entries)
    site.gateway.write(site.config())
    reloaded = site.gateway.admin("/reload", "POST")
    assert reloaded.status == 200, reloaded.body


def test_a_limit_that_is_used_up_stays_so(site: Site) -> None:
    client = site.connect()
    assert [client.get("/limited", "x").status for _ in range(3)] == [200, 200, 429]
    change(site)
    assert client.get("/limited", "x").status == 429
    change(site, middlewares={"per_ip": {"use": "rate_limit", "rate": "3/h"}})
    assert client.get("/limited", "x").status == 200, "its own entry changed"


def test_a_circuit_that_is_open_stays_so(site: Site) -> None:
    def failing(connection: UpstreamConnection) -> None:
        while True:
            connection.read_request()
            connection.send(answer(status="500 Oh"))

    site.scripted["bad"].script = failing
    client = site.connect()
    host = "bad.test"
    assert [client.get("/", host).status for _ in range(3)] == [500, 500, 503]
    change(site)
    assert client.get("/", host).status == 503
    site.upstreams["bad"]["max_connections"] = 7
    change(site)
    assert client.get("/", host).status == 503, "the upstream's name is what it was"


def test_a_place_that_is_taken_stays_so_until_its_request_ends(site: Site) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.wait_closed()

    upstream = site.scripted["slow"]
    upstream.script = script
    first, second = site.connect(), site.connect()
    first.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    change(site)
    assert second.get("/", upstream.host).status == 503
    first.reset()
    gauge = 'gateway_concurrency_in_flight{middleware="one"}'
    eventually(lambda: site.gateway.metric(gauge) == 0, "the place being given back")


def test_health_and_kept_connections_of_a_pool_stay(site: Site) -> None:
    good, bad = site.scripted["pair0"], site.scripted["pair1"]

    def resetting(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.reset()

    good.start()
    bad.script = resetting
    client = site.connect()
    eventually(
        lambda: client.get("/", "pair.test").status and healthy(site, "pair") == [1, 0],
        "the target being left out",
    )
    opened = len(good.connections)
    change(site)
    assert healthy(site, "pair") == [1, 0]
    site.upstreams["pair"]["retries"] = {"attempts": 2}
    change(site)
    assert healthy(site, "pair") == [1, 0], "also when something else of the upstream changes"
    assert [client.get("/", "pair.test").status for _ in range(10)] == [200] * 10
    assert len(good.connections) == opened


def test_who_asked_for_a_plugin_that_changes_is_made_anew_with_it(own: Site) -> None:
    own.plugins["echo"] = {"use": "./parts.py:Echo"}
    own.middlewares["marked"] = {"use": "./parts.py:Marked"}
    own.middlewares["counting"] = {"use": "./parts.py:Counting"}
    for name in ("marked", "counting"):
        own.route(name, f"/{name}", middlewares=[name], plugin="echo")
    client = own.start().connect()

    def seen(name: str) -> tuple[bytes, bytes | None]:
        found = client.get(f"/{name}", "x")
        return found.body, found.value("X-Word")

    assert [seen("marked"), seen("counting")] == [(b"one", b"one 1"), (b"one", b"none 1")]
    change(own)
    assert [seen("marked"), seen("counting")] == [(b"one!", b"one! 1"), (b"one!", b"none 2")]
    change(own, plugins={"more": {"use": "./parts.py:Words", "word": "x"}})
    own.plugins.pop("more")
    change(own)
    assert [seen("marked"), seen("counting")] == [(b"one!!!", b"one!!! 1"), (b"one!!!", b"none 3")]


def test_memory_and_files_are_what_they_were_after_a_hundred_reloads(own: Site) -> None:
    """A client keeps its connection, and the plugin and a guard are made anew each time."""
    own.plugins["echo"] = {"use": "./parts.py:Echo"}
    for number in range(20):
        own.route(f"r{number}", f"/r{number}", middlewares=["extra", "per_ip"], plugin="echo")
    own.pool("users", route={"middlewares": ["guard"]}).start()
    own.middlewares["per_ip"]["rate"] = "1000/s"
    client = own.start().connect()

    def round_trips(count: int) -> tuple[int, int]:
        for _ in range(count):
            change(own)
            assert client.get("/r7", "x").status == 200
            assert client.get("/", "users.test").status == 200
        eventually(lambda: own.gateway.open_files() <= files + 2, "old tables letting go")
        return own.gateway.memory(), own.gateway.open_files()

    files = own.gateway.open_files()
    before = round_trips(20)
    after = round_trips(100)
    assert after[0] - before[0] < 1024 * 1024
    assert after[1] <= before[1] + 2
