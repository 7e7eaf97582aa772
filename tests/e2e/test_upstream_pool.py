"""Connections to an upstream are reused, bounded, and retried once when it is safe."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from tests.e2e.gateway_process import eventually, free_port
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import Client, answer, request
from tests.e2e.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    ending,
    in_turn,
    replying,
)
from tests.e2e.site import Site

SIZES = [2, 100_000, 5_000_000]
FAILS = """
from gateway.middleware import Middleware
class Fails(Middleware):
    def response(self, exchange):
        if exchange.answer.headers.get("x-fail"):
            raise RuntimeError("the response phase fails")
"""


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(20)
    new_site.pool("three", upstream={"max_connections": 3})
    new_site.pool("young", upstream={"max_age": "200ms"})
    new_site.pool("brief", upstream={"keep_idle": "200ms"})
    live = new_site.pool("live")
    ports = free_port(), live.listener.getsockname()[1]
    new_site.upstreams["half"] = {
        "targets": [{"url": f"http://127.0.0.1:{port}"} for port in ports]
    }
    new_site.route("half", hosts=["half.test"], upstream="half")
    (new_site.folder / "fails.py").write_text(FAILS)
    new_site.middlewares["fails"] = {"use": "./fails.py:Fails"}
    for size in SIZES:
        new_site.pool(
            f"failing{size}", upstream={"max_connections": 1}, route={"middlewares": ["fails"]}
        )
    return new_site.start()


def stale_with(end: Callable[[UpstreamConnection], None], *, reading: bool) -> Callable[..., None]:
    """Answers once; ends the connection when, or after, the next request arrives."""

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(OK)
        if reading:
            connection.read_request()
        else:
            connection.sock.recv(1)
        end(connection)

    return script


ENDINGS = {"closed": UpstreamConnection.close, "reset": UpstreamConnection.reset}


@pytest.mark.parametrize("reading", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_a_get_on_a_stale_connection_is_sent_again_unseen(
    client: Client,
    upstream: ScriptedUpstream,
    end: Callable[[UpstreamConnection], None],
    reading: bool,
) -> None:
    upstream.script = in_turn(stale_with(end, reading=reading), replying(answer(b"again")))
    assert client.get("/1", upstream.host).body == b"ok"
    assert client.get("/2", upstream.host).body == b"again"
    assert len(upstream.connections) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_what_is_not_idempotent_is_never_sent_twice(
    client: Client,
    upstream: ScriptedUpstream,
    end: Callable[[UpstreamConnection], None],
    method: str,
) -> None:
    upstream.script = in_turn(stale_with(end, reading=True), replying(OK))
    assert client.get("/1", upstream.host).status == 200
    client.send(request(method, "/2", upstream.host, body=b"x"))
    assert_problem(client.answer(), 502)
    assert [seen.target for seen in upstream.heads] == [b"/1", b"/2"]


def test_a_stale_connection_is_retried_only_once(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = in_turn(
        stale_with(UpstreamConnection.close, reading=True),
        ending(b"", UpstreamConnection.close),
    )
    assert client.get("/1", upstream.host).status == 200
    assert_problem(client.get("/2", upstream.host), 502)
    assert len(upstream.heads) == 3


def test_a_get_whose_answer_had_begun_is_not_sent_again(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(OK)
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    upstream.script = in_turn(script, replying(OK))
    assert client.get("/1", upstream.host).status == 200
    client.send(request("GET", "/2", upstream.host))
    assert not client.answer().complete
    assert len(upstream.heads) == 2


def test_a_connection_closed_while_idle_is_not_used_even_for_a_post(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = in_turn(ending(OK, UpstreamConnection.close), replying(OK))
    assert client.get("/1", upstream.host).status == 200
    upstream.wait_for(upstream.connections[0].ended.is_set)
    assert client.get("/nobody", "unknown.test").status == 404
    client.send(request("POST", "/2", upstream.host, body=b"x"))
    assert client.answer().status == 200
    assert len(upstream.requests) == 2


def test_sequential_requests_share_one_connection(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    for number in range(30):
        client = connect()
        client.send(request("POST" if number % 2 else "GET", "/", upstream.host, body=b"x"))
        assert client.answer().status == 200
    assert len(upstream.connections) == 1


def test_an_upstream_s_connection_close_is_obeyed(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer(b"ok", "Connection: close"))
        assert connection.wait_closed() == b"", "a request after Connection: close"

    upstream.script = script
    for _ in range(3):
        assert client.get("/", upstream.host).status == 200
    assert len(upstream.connections) == 3


def test_max_connections_bounds_what_runs_at_once(
    connect: Callable[[], Client], site: Site
) -> None:
    upstream = site.scripted["three"]
    lock = threading.Lock()
    barrier = threading.Barrier(3)
    busy, most = 0, 0

    def script(connection: UpstreamConnection) -> None:
        nonlocal busy, most
        while True:
            first = connection.read_request().value("X-First")
            with lock:
                busy += 1
                most = max(most, busy)
            if first:
                barrier.wait(10)
            with lock:
                busy -= 1
            connection.send(OK)

    upstream.script = script
    clients = [connect() for _ in range(12)]
    for client in clients[:3]:
        client.send(request("GET", "/", upstream.host, "X-First: 1"))
    assert [client.answer().status for client in clients[:3]] == [200] * 3
    for client in clients:
        client.send(request("GET", "/", upstream.host))
    statuses = [client.answer().status for client in clients]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 3
    assert most == 3
    assert len(upstream.connections) == 3


@pytest.mark.parametrize("name", ["young", "brief"])
def test_a_connection_too_old_or_idle_too_long_is_closed(
    client: Client, site: Site, name: str
) -> None:
    upstream = site.scripted[name]
    upstream.start()
    assert client.get("/", upstream.host).status == 200
    if name == "brief":
        upstream.wait_for(upstream.connections[0].ended.is_set)
    else:
        while len(upstream.connections) == 1:
            assert client.get("/", upstream.host).status == 200
    assert client.get("/", upstream.host).status == 200


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_an_upstream_that_ends_each_connection_at_once_is_502(
    client: Client, upstream: ScriptedUpstream, end: Callable[[UpstreamConnection], None]
) -> None:
    upstream.script = end
    for number in range(40):
        client.send(request("POST" if number % 2 else "GET", "/", upstream.host, body=b"x"))
        assert_problem(client.answer(), 502)


def test_a_dead_target_s_requests_go_to_the_live_one(client: Client, site: Site) -> None:
    site.scripted["live"].start()
    for number in range(12):
        body = b"%d" % number * 1000
        client.send(request("POST" if number % 2 else "GET", "/", "half.test", body=body))
        assert client.answer().status == 200
        assert site.scripted["live"].requests[-1].body == body


def test_a_client_that_does_not_read_leaves_its_upstream_connection_usable(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(answer(b"x" * 100_000))
    stalled = connect()
    stalled.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.send(request("GET", "/", upstream.host) * 200)
    other = connect()
    upstream.wait_for(lambda: len(upstream.requests) >= 1)
    served = -1
    while served != len(upstream.requests):
        served = len(upstream.requests)
        for _ in range(10):
            assert other.get("/", upstream.host).status == 200
            served += 1
    assert other.get("/", upstream.host).status == 200


@pytest.mark.parametrize("size", SIZES)
def test_a_response_phase_that_fails_costs_only_its_own_request(
    connect: Callable[[], Client], site: Site, size: int
) -> None:
    upstream = site.scripted[f"failing{size}"]
    first, second = connect(), connect()
    waiting = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        while True:
            bad = connection.read_request().target == b"/bad"
            if bad:
                assert waiting.wait(10)
            connection.send(answer(b"x" * size, *(["X-Fail: yes"] if bad else [])))

    upstream.script = script
    before = len(site.gateway.log())
    with site.gateway.expecting_a_traceback():
        first.send(request("GET", "/bad", upstream.host))
        upstream.wait_for(lambda: len(upstream.requests) == 1)
        second.send(request("GET", "/good", upstream.host))
        waiting.set()
        assert_problem(first.answer(), 500)
        good = second.answer()
        eventually(lambda: "the response phase fails" in site.gateway.log()[before:], "the trace")
    assert (good.status, len(good.body)) == (200, size)
    assert first.get("/good", upstream.host).status == 200
