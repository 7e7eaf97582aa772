"""Clients and upstreams that are too slow are told, or left, in bounded time."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable

import pytest

from tests.e2e.problems import assert_problem, assert_refused
from tests.e2e.rawhttp import DEADLINE, Client, request
from tests.e2e.scripted_upstream import ScriptedUpstream, UpstreamConnection
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.defaults["timeout"] = {
        "connect": "1s",
        "request": "1s",
        "idle": "1s",
        "headers": "500ms",
    }
    new_site.defaults["limits"] = {"connections": 40}
    new_site.pools(20)
    new_site.route("pong", "/pong", respond={"status": 200, "body": "pong"})
    return new_site.start()


def trickle(client: Client, data: bytes, every: float) -> bool:
    """A byte at a time until the data ends or an answer comes; whether one came."""
    for byte in data:
        client.send(bytes([byte]))
        if select.select([client.sock], [], [], every)[0]:
            return True
    return False


@pytest.mark.parametrize(
    "start", [b"G", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a.test\r\nX-A: "]
)
def test_a_head_that_does_not_come_is_408(client: Client, start: bytes) -> None:
    client.send(start)
    assert_refused(client, 408)


def test_a_head_that_trickles_does_not_move_the_deadline(client: Client) -> None:
    assert trickle(client, b"GET / HTTP/1.1\r\nHost: a.test\r\nX-A: " + b"a" * 200, 0.05)
    assert_refused(client, 408)


def test_a_header_a_second_does_not_move_the_deadline(client: Client) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n")
    assert any(trickle(client, b"a:b\r\n", 0.05) for _ in range(40))
    assert_refused(client, 408)


def test_the_deadline_holds_for_a_later_request_too(client: Client) -> None:
    assert client.get("/pong", "a.test").status == 200
    client.send(b"GET /pong HT")
    assert_refused(client, 408)


def test_a_client_that_says_nothing_is_let_go(client: Client) -> None:
    assert client.wait_closed().count(b"HTTP/1.1") <= 1


def test_an_idle_connection_is_closed_without_a_word(client: Client) -> None:
    assert client.get("/pong", "a.test").status == 200
    client.sees_the_end()


def test_an_upload_that_stops_is_408_and_cancelled(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(request("POST", "/", upstream.host, "Content-Length: 100") + b"x" * 10)
    assert_refused(client, 408)
    assert upstream.connections[0].ended.wait(DEADLINE)
    assert upstream.requests == []


def test_an_upload_that_trickles_is_not_idle(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("POST", "/", upstream.host, "Content-Length: 6"))
    trickle(client, b"hello!", 0.4)
    assert client.answer().status == 200
    assert upstream.requests[0].body == b"hello!"


def test_an_answer_that_stops_is_broken_off(client: Client, upstream: ScriptedUpstream) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        connection.wait_closed()

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    seen = client.answer()
    assert seen.status == 200
    assert not seen.complete
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_an_answer_that_trickles_may_take_longer_than_any_deadline(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        for byte in b"hello!":
            time.sleep(0.4)
            connection.send(bytes([byte]))

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    seen = client.answer()
    assert seen.complete
    assert seen.body == b"hello!"


def test_an_upstream_s_head_that_trickles_does_not_move_the_deadline(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nX-A: ")
        while not select.select([connection.sock], [], [], 0.1)[0]:
            connection.send(b"a")

    upstream.script = script
    assert_problem(client.get("/", upstream.host), 504)
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_a_client_that_stops_reading_is_let_go(client: Client, upstream: ScriptedUpstream) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            connection.send(b"x" * 65536)

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_slow_clients_cannot_take_every_connection(
    connect: Callable[[], Client], site: Site
) -> None:
    for _ in range(40):
        connect().send(b"GET /pong HTTP/1.1\r\n")
    deadline = time.monotonic() + DEADLINE
    while True:
        assert time.monotonic() < deadline
        with contextlib.closing(connect()) as client:
            client.send(request("GET", "/pong", "a.test"))
            if b" 200 " in client.wait_closed():
                break
