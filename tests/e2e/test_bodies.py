"""Framing of answers and of request bodies, both ways."""

from __future__ import annotations

import threading

import pytest

from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import DEADLINE, Client, Message, answer, request
from tests.e2e.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    ending,
    in_turn,
    replying,
)
from tests.e2e.site import Site

CHUNKED_ANSWER = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n"
)


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(60)
    return new_site.start()


def exchange(client: Client, upstream: ScriptedUpstream, method: str = "GET") -> Message:
    client.send(request(method, "/", upstream.host))
    return client.answer(method)


def test_head_keeps_the_length_and_has_no_body(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", answer(b"next"))
    assert exchange(client, upstream, "HEAD").value("Content-Length") == b"5"
    assert exchange(client, upstream).body == b"next"
    assert len(upstream.connections) == 1


def test_head_of_a_chunked_answer_has_no_body(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", answer(b"next")
    )
    assert exchange(client, upstream, "HEAD").status == 200
    assert exchange(client, upstream).body == b"next"
    assert len(upstream.connections) == 1


def test_204_has_no_body_and_no_length(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", answer(b"next"))
    seen = exchange(client, upstream)
    assert (seen.status, seen.value("X-A")) == (204, b"b")
    assert seen.values("Content-Length") == seen.values("Transfer-Encoding") == []
    assert exchange(client, upstream).body == b"next"
    assert len(upstream.connections) == 1


def test_304_keeps_its_length_and_has_no_body(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(
        b'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n', answer(b"next")
    )
    seen = exchange(client, upstream)
    assert seen.value("Content-Length") == b"5"
    assert seen.value("ETag") == b'"x"'
    assert exchange(client, upstream).body == b"next"
    assert len(upstream.connections) == 1


def test_an_empty_answer_has_length_0(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(answer(b""), answer(b"next"))
    assert exchange(client, upstream).body == b""
    assert exchange(client, upstream).body == b"next"


POISON = answer(b"poison")


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(POISON)),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n" % len(POISON)),
    ],
)
@pytest.mark.parametrize("apart", [False, True], ids=["one segment", "two segments"])
def test_a_body_where_none_belongs_poisons_nobody(
    client: Client, upstream: ScriptedUpstream, method: str, head: bytes, apart: bool
) -> None:
    answered = threading.Event()

    def poisoned(connection: UpstreamConnection) -> None:
        connection.read_request()
        if apart:
            connection.send(head)
            assert answered.wait(DEADLINE)
            connection.send(POISON)
        else:
            connection.send(head + POISON)
        connection.wait_closed()

    upstream.script = in_turn(poisoned, replying(answer(b"clean")))
    seen = exchange(client, upstream, method)
    assert b"poison" not in client.received
    assert seen.status in ((200, 204, 304) if apart else (200, 204, 304, 502))
    answered.set()
    assert upstream.connections[0].ended.wait(DEADLINE), "the connection is kept"
    assert exchange(client, upstream).body == b"clean"
    assert b"poison" not in client.received


def test_a_204_with_framing_is_cleaned_or_refused(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
    seen = exchange(client, upstream)
    assert seen.status in (204, 502)
    if seen.status == 204:
        assert seen.values("Content-Length") == []


def test_early_hints_are_relayed(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + OK
    )
    client.send(request("GET", "/", upstream.host))
    hints = client.answer()
    assert (hints.status, hints.value("Link")) == (103, b"</a.css>; rel=preload")
    assert client.answer().body == b"ok"


def test_early_hints_are_relayed_before_the_answer_is_there(
    client: Client, upstream: ScriptedUpstream
) -> None:
    hinted = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        assert hinted.wait(DEADLINE)
        connection.send(OK)

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    assert client.answer().status == 103
    hinted.set()
    assert client.answer().status == 200


@pytest.mark.parametrize("rest", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"])
def test_a_failure_after_early_hints_is_still_told_by_a_502(
    client: Client, upstream: ScriptedUpstream, rest: bytes
) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    upstream.script = ending(hints + rest, UpstreamConnection.close)
    client.send(request("POST", "/", upstream.host, body=b"x"))
    assert client.answer().status == 103
    assert_problem(client.answer(), 502)


def test_early_hints_are_not_sent_to_an_http_1_0_client(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
    client.send(f"GET / HTTP/1.0\r\nHost: {upstream.host}\r\n\r\n".encode())
    assert client.answer().status == 200
    client.sees_the_end()


def test_an_upstream_s_100_is_swallowed(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK)
    assert exchange(client, upstream).status == 200
    assert exchange(client, upstream).status == 200


def test_a_flood_of_interim_answers_is_given_up(client: Client, upstream: ScriptedUpstream) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        for _ in range(100_000):
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    upstream.script = script
    assert_problem(exchange(client, upstream), 502)


def test_a_chunked_answer_stays_chunked(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(CHUNKED_ANSWER)
    for _ in range(2):
        seen = exchange(client, upstream)
        assert seen.value("Transfer-Encoding") == b"chunked"
        assert seen.body == b"hello world"
    assert len(upstream.connections) == 1


def test_a_chunked_answer_in_many_segments_is_the_same(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send_slowly(CHUNKED_ANSWER)

    upstream.script = script
    assert exchange(client, upstream).body == b"hello world"


def test_trailers_of_an_answer_are_passed_on(client: Client, upstream: ScriptedUpstream) -> None:
    upstream.script = replying(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n"
    )
    seen = exchange(client, upstream)
    assert seen.trailers == [b"X-Sum: 1", b"x-sum: 2"]
    assert exchange(client, upstream).body == b"hello"


def test_a_chunked_request_stays_chunked_with_its_trailers(
    client: Client, upstream: ScriptedUpstream
) -> None:
    head = request("POST", "/", upstream.host, "Transfer-Encoding: chunked", "Trailer: X-Sum")
    client.send(head + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert client.answer().status == 200
    seen = upstream.requests[0]
    assert seen.value("Transfer-Encoding") == b"chunked"
    assert seen.body == b"hello world"
    assert seen.trailers == [b"X-Sum: 1"]


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Host", "Authorization"])
def test_a_trailer_cannot_become_a_header(
    client: Client, upstream: ScriptedUpstream, name: str
) -> None:
    client.send(
        request("POST", "/", upstream.host, "Transfer-Encoding: chunked")
        + f"5\r\nhello\r\n0\r\n{name}: 7\r\n\r\n".encode()
    )
    assert client.answer().status in (200, 400)
    for seen in upstream.heads:
        assert b"7" not in seen.values(name)


def test_a_chunked_request_arrives_chunk_by_chunk(
    client: Client, upstream: ScriptedUpstream
) -> None:
    parts: list[bytes] = []
    came = threading.Semaphore(0)

    def script(connection: UpstreamConnection) -> None:
        connection.read_request_head()
        for _ in range(3):
            parts.append(connection.read_exactly(int(connection.read_line(), 16)))
            connection.read_line()
            came.release()
        connection.send(OK)
        connection.wait_closed()

    upstream.script = script
    client.send(request("POST", "/", upstream.host, "Transfer-Encoding: chunked"))
    for part in (b"one", b"two", b"three"):
        client.send(b"%x\r\n%s\r\n" % (len(part), part))
        assert came.acquire(timeout=DEADLINE)
    assert parts == [b"one", b"two", b"three"]


def test_a_chunked_answer_to_an_http_1_0_client_ends_with_the_connection(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.script = replying(CHUNKED_ANSWER)
    client.send(f"GET / HTTP/1.0\r\nHost: {upstream.host}\r\n\r\n".encode())
    seen = client.answer()
    assert seen.values("Transfer-Encoding") == []
    assert seen.body == b"hello world"
    client.sees_the_end()


def test_an_answer_that_ends_with_its_connection_is_whole(
    client: Client, upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello ")
        connection.send(b"world")

    upstream.script = script
    seen = exchange(client, upstream)
    assert seen.body == b"hello world"
    assert seen.complete


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_http_1_0_upstream_is_understood(
    client: Client, upstream: ScriptedUpstream, version: str
) -> None:
    def script(connection: UpstreamConnection) -> None:
        assert connection.read_request().start.endswith(b" HTTP/1.1")
        connection.send(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    upstream.script = script
    client.send(f"GET / HTTP/{version}\r\nHost: {upstream.host}\r\n\r\n".encode())
    seen = client.answer()
    assert seen.start == b"HTTP/1.1 200 OK"
    assert seen.body == b"hello"
