"""SIGTERM finishes what is in flight, loses nothing, and ends with 0."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading

import pytest

from tests.e2e.gateway_process import accepts, eventually
from tests.e2e.rawhttp import DEADLINE, Closed, answer, request
from tests.e2e.scripted_upstream import OK, UpstreamConnection, ending
from tests.e2e.site import Site

MIB = 1 << 20


@pytest.fixture
def go() -> threading.Event:
    return threading.Event()


@pytest.fixture
def site(own_site: Site, go: threading.Event) -> Site:
    def script(connection: UpstreamConnection) -> None:
        while True:
            target = connection.read_request().target
            if target == b"/quick":
                connection.send(OK)
                continue
            connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            assert go.wait(DEADLINE)
            connection.send(answer(b"done"))

    own_site.server["drain"] = "30s"
    own_site.pool("users").script = script
    own_site.pool("streams")
    own_site.route("pong", "/pong", respond={"status": 200, "body": "pong"})
    return own_site.start()


def drained(site: Site) -> bool:
    return site.gateway.admin("/readyz").status == 503


def test_what_is_in_flight_is_finished(site: Site, go: threading.Event) -> None:
    slow = site.connect()
    slow.send(request("GET", "/slow", "users.test"))
    assert slow.answer().status == 103
    upload = site.connect()
    upload.send(request("POST", "/upload", "users.test", "Content-Length: 10") + b"01234")
    site.scripted["users"].wait_for(lambda: len(site.scripted["users"].heads) == 2)
    assert site.gateway.admin("/readyz").status == 200

    site.gateway.signal(signal.SIGTERM)
    eventually(lambda: drained(site), "/readyz turning 503")
    assert site.gateway.admin("/healthz").status == 200
    upload.send(b"56789")
    assert upload.answer().status == 103
    go.set()
    for client in (slow, upload):
        seen = client.answer()
        assert seen.body == b"done"
        assert (seen.value("Connection") or b"").lower() == b"close"
        client.sees_the_end()
    assert site.gateway.wait() == 0
    assert site.scripted["users"].requests[1].body == b"0123456789"


def test_an_idle_connection_is_closed_and_new_ones_are_not_accepted(
    site: Site, go: threading.Event
) -> None:
    slow = site.connect()
    slow.send(request("GET", "/slow", "users.test"))
    assert slow.answer().status == 103
    idle, fresh = site.connect(), site.connect()
    assert idle.get("/pong", "a.test").status == 200
    site.gateway.signal(signal.SIGTERM)
    idle.sees_the_end()
    fresh.sees_the_end()
    eventually(lambda: not accepts(site.gateway.port), "the listener closing")
    go.set()
    assert slow.answer().body == b"done"
    assert site.gateway.wait() == 0


def test_a_download_under_way_arrives_whole(site: Site) -> None:
    body = bytes(range(256)) * 4096 * 16

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer(body))
        connection.wait_closed()

    site.scripted["streams"].script = script
    client = site.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.send(request("GET", "/", "streams.test"))
    seen = client.read_head()
    first = client.read_exactly(MIB)
    site.gateway.signal(signal.SIGTERM)
    eventually(lambda: drained(site), "/readyz turning 503")
    assert first + client.read_exactly(len(body) - MIB) == body
    assert seen.status == 200
    client.sees_the_end()
    assert site.gateway.wait() == 0


@pytest.mark.parametrize("late", [False, True], ids=["at_once", "after_the_grace"])
def test_who_was_not_told_of_the_end_may_ask_once_more(
    site: Site, go: threading.Event, late: bool
) -> None:
    """The head of its answer was out before anybody knew."""

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        assert go.wait(DEADLINE)
        connection.send(b"b")
        connection.wait_closed()

    site.scripted["streams"].script = script
    client, idle = site.connect(), site.connect()
    assert idle.get("/pong", "a.test").status == 200
    client.send(request("GET", "/", "streams.test"))
    assert client.read_head().value("Connection") is None
    assert client.read_exactly(1) == b"a"
    site.gateway.signal(signal.SIGTERM)
    if late:
        idle.sees_the_end()
    else:
        eventually(lambda: drained(site), "/readyz turning 503")
    go.set()
    assert client.read_exactly(1) == b"b"
    last = client.get("/pong", "a.test")
    assert (last.body, last.value("Connection")) == (b"pong", b"close")
    client.sees_the_end()
    assert site.gateway.wait() == 0


def test_pipelined_requests_already_sent_are_answered_or_never_begun(
    site: Site, go: threading.Event
) -> None:
    client = site.connect()
    client.send(
        request("GET", "/slow", "users.test")
        + request("GET", "/quick", "users.test")
        + request("GET", "/quick", "users.test")
    )
    assert client.answer().status == 103
    site.gateway.signal(signal.SIGTERM)
    eventually(lambda: drained(site), "/readyz turning 503")
    go.set()
    answers = [client.answer()]
    with contextlib.suppress(Closed):
        while True:
            answers.append(client.answer())
    assert all(seen.status == 200 and seen.complete for seen in answers)
    assert len(site.scripted["users"].requests) == len(answers)
    assert (answers[-1].value("Connection") or b"").lower() == b"close"
    assert site.gateway.wait() == 0


def test_a_request_that_never_ends_does_not_hold_the_exit_for_ever(own_site: Site) -> None:
    own_site.server["drain"] = "300ms"
    upstream = own_site.pool("users")
    upstream.script = ending(b"", UpstreamConnection.wait_closed)
    own_site.start()
    client = own_site.connect()
    client.send(request("GET", "/", "users.test"))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    own_site.gateway.signal(signal.SIGTERM)
    client.wait_closed()
    own_site.gateway.wait()
    assert upstream.connections[0].ended.wait(DEADLINE)


def test_with_nothing_in_flight_it_ends_at_once_and_cleanly(site: Site) -> None:
    assert site.connect().get("/quick", "users.test").status == 200
    site.gateway.signal(signal.SIGTERM)
    assert site.gateway.wait() == 0


def test_sigint_ends_it_cleanly_too(site: Site) -> None:
    site.gateway.signal(signal.SIGINT)
    assert site.gateway.wait() == 0
