"""A new table is swapped in whole, and a bad one changes nothing; nobody notices."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway_process import GatewayProcess, eventually
from tests.e2e.rawhttp import DEADLINE, Client, answer, request
from tests.e2e.scripted_upstream import UpstreamConnection
from tests.e2e.site import Site

SUCCESS = "gateway_config_last_reload_success"


def by_signal(gateway: GatewayProcess) -> None:
    gateway.signal(signal.SIGHUP)


def by_admin(gateway: GatewayProcess) -> None:
    gateway.admin("/reload", "POST")


def by_itself(gateway: GatewayProcess) -> None:
    """`--watch` has to see the file change."""


Trigger = Callable[[GatewayProcess], None]


@pytest.fixture(params=[by_signal, by_admin, by_itself])
def trigger(request: pytest.FixtureRequest) -> Trigger:
    found: Trigger = request.param
    return found


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    watch = "trigger" in request.fixturenames and request.getfixturevalue("trigger") is by_itself
    site = Site(tmp_path, *(["--watch"] if watch else []))
    site.pool("users")
    site.route("pong", "/pong", respond={"status": 200, "body": "old"})
    yield site.start()
    site.close()


def change(site: Site, body: str = "new", drop: str = "") -> None:
    """Writes a file whose `/pong` says something else, perhaps without one of the routes."""
    site.routes = [route for route in site.routes if route["id"] not in ("pong", drop)]
    site.upstreams.pop(drop, None)
    site.route("pong", "/pong", respond={"status": 200, "body": body})
    site.gateway.write(site.config())


def pong(client: Client) -> bytes:
    return client.get("/pong", "any.test").body


def test_a_new_table_serves_on_kept_connections_too(site: Site, trigger: Trigger) -> None:
    client = site.connect()
    assert pong(client) == b"old"
    change(site)
    trigger(site.gateway)
    eventually(lambda: pong(client) == b"new", "the reload")
    assert site.gateway.metric(SUCCESS) == 1
    assert site.gateway.process.poll() is None


BAD = {
    "not YAML": "routes: [",
    "unknown key": "version: 1\nruotes: []\n",
    "unknown middleware": (
        "version: 1\n"
        "middlewares: {guard: {use: no_such_guard}}\n"
        "routes: [{id: a, match: {path: /**}, middlewares: [guard], respond: {status: 200}}]\n"
    ),
    "unknown upstream": "version: 1\nroutes: [{id: a, match: {path: /**}, upstream: nobody}]\n",
    "plugin that cannot be loaded": "version: 1\nplugins: {geo: {use: ./none.py:Geo}}\n",
    "empty": "",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_bad_file_changes_nothing_and_says_so(site: Site, text: str) -> None:
    client = site.connect()
    assert pong(client) == b"old"
    site.gateway.write_text(text)
    refused = site.gateway.admin("/reload", "POST")
    assert 400 <= refused.status < 600
    assert site.gateway.metric(SUCCESS) == 0
    assert pong(client) == pong(site.connect()) == b"old"
    assert "gateway.yaml" in site.gateway.log()
    change(site)
    assert 200 <= site.gateway.admin("/reload", "POST").status < 300
    assert site.gateway.metric(SUCCESS) == 1
    assert pong(client) == b"new"


def test_a_bad_file_is_noticed_by_every_way_of_reloading(site: Site, trigger: Trigger) -> None:
    site.gateway.write_text(BAD["unknown key"])
    trigger(site.gateway)
    eventually(lambda: site.gateway.metric(SUCCESS) == 0, "the refusal")
    assert pong(site.connect()) == b"old"
    eventually(lambda: "gateway.yaml:2:1" in site.gateway.log(), "file, line and column")
    assert "routes" in site.gateway.log()


def test_a_plugin_that_does_not_start_changes_nothing(site: Site) -> None:
    (site.folder / "broken.py").write_text(
        "from gateway.plugin import Plugin\n"
        "class Broken(Plugin):\n"
        "    async def start(self):\n"
        "        raise RuntimeError('the moon is full')\n"
    )
    site.plugins["broken"] = {"use": "./broken.py:Broken"}
    change(site)
    with site.gateway.expecting_a_traceback():
        assert site.gateway.admin("/reload", "POST").status >= 400
    assert site.gateway.metric(SUCCESS) == 0
    assert pong(site.connect()) == b"old"
    eventually(lambda: "the moon is full" in site.gateway.log(), "the reason")


def test_reload_is_not_for_get(site: Site) -> None:
    change(site)
    assert site.gateway.admin("/reload").status == 405
    assert pong(site.connect()) == b"old"


def test_no_request_fails_while_tables_are_swapped(site: Site) -> None:
    site.scripted["users"].start()
    failed: list[object] = []
    answered = [0, 0, 0, 0]
    enough = threading.Event()

    def run(number: int) -> None:
        client = site.connect()
        while not enough.is_set():
            seen = client.get("/x" if number % 2 else "/pong", "users.test")
            answered[number] += 1
            if seen.status != 200 or not seen.complete:
                failed.append(seen)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(8):
            before = list(answered)
            change(site, body=str(number))
            assert site.gateway.admin("/reload", "POST").status < 300
            eventually(lambda before=before: all(map(int.__gt__, answered, before)), "requests")
    finally:
        enough.set()
        for thread in threads:
            thread.join(DEADLINE)
    assert failed == []
    assert pong(site.connect()) == b"7"


def test_a_request_under_way_ends_at_the_upstream_it_began_with(site: Site) -> None:
    upstream = site.scripted["users"]
    go = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        assert go.wait(DEADLINE)
        connection.send(answer(b"after all"))
        connection.wait_closed()

    upstream.script = script
    client = site.connect()
    client.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    change(site, drop="users")
    assert site.gateway.admin("/reload", "POST").status < 300
    assert site.connect().get("/", upstream.host).status == 404
    go.set()
    assert client.answer().body == b"after all"
    assert upstream.connections[0].ended.wait(DEADLINE), "the dropped pool keeps its connection"


def test_a_tunnel_outlives_a_reload(site: Site) -> None:
    upstream = site.scripted["users"]

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\n")
        connection.send(b"Connection: upgrade\r\nUpgrade: foo\r\n\r\n")
        connection.send(connection.read_exactly(5))
        connection.wait_closed()

    upstream.script = script
    client = site.connect()
    client.send(request("GET", "/", upstream.host, "Connection: upgrade", "Upgrade: foo"))
    assert client.read_head().status == 101
    change(site, drop="users")
    assert site.gateway.admin("/reload", "POST").status < 300
    client.send(b"hello")
    assert client.read_exactly(5) == b"hello"


def test_many_reloads_leak_nothing(site: Site) -> None:
    site.scripted["users"].start()
    client = site.connect()

    def round_trip(number: int) -> None:
        change(site, body=str(number))
        assert site.gateway.admin("/reload", "POST").status < 300
        assert client.get("/", "users.test").status == 200

    for number in range(3):
        round_trip(number)
    files = site.gateway.open_files()
    for number in range(20):
        round_trip(number)
    eventually(lambda: site.gateway.open_files() <= files + 2, "old tables letting go")
