"""An upstream that misbehaves costs its own request an error and nobody else anything."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest

from tests.e2e.gateway_process import eventually
from tests.e2e.problems import assert_problem
from tests.e2e.rawhttp import DEADLINE, Client, Closed, answer, request
from tests.e2e.scripted_upstream import (
    OK,
    ScriptedUpstream,
    UpstreamConnection,
    ending,
    in_turn,
    replying,
)
from tests.e2e.site import Site

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(130)
    return new_site.start()


def head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *lines, b"", b""])


UNCLEAN_HEADS = {
    "both framings": head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "content-length twice, equal": head(b"Content-Length: 2", b"Content-Length: 2") + b"ok",
    "content-length twice, different": head(b"Content-Length: 2", b"Content-Length: 3") + b"ok",
    "content-length list": head(b"Content-Length: 2, 2") + b"ok",
    "content-length with plus": head(b"Content-Length: +2") + b"ok",
    "content-length negative": head(b"Content-Length: -2") + b"ok",
    "content-length not a number": head(b"Content-Length: two") + b"ok",
    "content-length empty": head(b"Content-Length:") + b"ok",
    "content-length of 2^64 + 2": head(b"Content-Length: 18446744073709551618") + b"ok",
    "content-length and a space before the colon": head(b"Content-Length : 2") + b"ok",
    "transfer-encoding gzip, chunked": head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "transfer-encoding unknown": head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "transfer-encoding twice": (
        head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"
    ),
    "transfer-encoding in HTTP/1.0": (
        head(b"Transfer-Encoding: chunked", status=b"HTTP/1.0 200 OK") + b"0\r\n\r\n"
    ),
    "LF after the status line": b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
    "LF after a header": b"HTTP/1.1 200 OK\r\nContent-Length: 2\nX-A: b\r\n\r\nok",
    "LF only": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "CR in a header": head(b"X-A: b\rX-B: c", b"Content-Length: 2") + b"ok",
    "NUL in a header": head(b"X-A: b\0c", b"Content-Length: 2") + b"ok",
    "folded header": head(b"X-A: b", b" c", b"Content-Length: 2") + b"ok",
    "header without a colon": head(b"X-A", b"Content-Length: 2") + b"ok",
    "empty header name": head(b": b", b"Content-Length: 2") + b"ok",
    "space in a header name": head(b"X A: b", b"Content-Length: 2") + b"ok",
    "garbage": b"\x16\x03\x01\x02\x00garbage\r\n\r\n",
    "garbage line": b"hello\r\n\r\n",
    "garbage before the status line": b"xHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "status of two digits": head(b"Content-Length: 2", status=b"HTTP/1.1 99 Low") + b"ok",
    "status of four digits": head(b"Content-Length: 2", status=b"HTTP/1.1 1000 High") + b"ok",
    "status not a number": head(b"Content-Length: 2", status=b"HTTP/1.1 2OO OK") + b"ok",
    "status missing": head(b"Content-Length: 2", status=b"HTTP/1.1 ") + b"ok",
    "HTTP/2.0": head(b"Content-Length: 2", status=b"HTTP/2.0 200 OK") + b"ok",
    "HTTP/1.2": head(b"Content-Length: 2", status=b"HTTP/1.2 200 OK") + b"ok",
    "HTTP/0.9": b"<html>hello</html>",
    "another protocol": head(b"Content-Length: 2", status=b"ICY/1.1 200 OK") + b"ok",
    "NUL in the reason": head(b"Content-Length: 2", status=b"HTTP/1.1 200 O\0K") + b"ok",
    "101 nobody asked for": head(
        b"Upgrade: foo", b"Connection: upgrade", status=b"HTTP/1.1 101 Switching Protocols"
    ),
    "101 without a word": head(status=b"HTTP/1.1 101 Switching Protocols"),
    "more bytes than content-length": head(b"Content-Length: 2") + b"ok" + answer(b"poison"),
    "a second answer": OK + answer(b"poison"),
    "more bytes than the last chunk": CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + answer(b"poison"),
    "giant head": head(*[b"X-%d: %s" % (n, b"a" * 1000) for n in range(1000)]),
    "giant header": head(b"X-A: " + b"a" * 1_000_000, b"Content-Length: 2") + b"ok",
    "giant status line": head(b"Content-Length: 2", status=b"HTTP/1.1 200 " + b"a" * 1_000_000),
}

BROKEN_BODIES = {
    "content-length too long": head(b"Content-Length: 10") + b"short",
    "no body at all": head(b"Content-Length: 10"),
    "chunks without an end": CHUNKED + b"5\r\nhello\r\n",
    "half a chunk": CHUNKED + b"a\r\nhello",
    "half a chunk size": CHUNKED + b"5\r\nhello\r\n1",
    "half an end": CHUNKED + b"5\r\nhello\r\n0\r\n",
    "half a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nX-A: b\r\n",
}

BAD_CHUNKS = {
    "chunk size not hex": b"xyz\r\nhello\r\n0\r\n\r\n",
    "chunk size with plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "chunk size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size of 2^64 + 5": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk size ended by LF": b"5\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": b"5\r\nhello!\r\n0\r\n\r\n",
    "chunk ended by LF": b"5\r\nhello\n0\r\n\r\n",
    "extension with LF": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "trailer with NUL": b"5\r\nhello\r\n0\r\nX-A: \0\r\n\r\n",
    "trailer without a colon": b"5\r\nhello\r\n0\r\nX-A\r\n\r\n",
}

ENDINGS = {"closes": UpstreamConnection.close, "resets": UpstreamConnection.reset}


def cases(table: dict[str, bytes]) -> list[object]:
    return [pytest.param(raw, id=name) for name, raw in table.items()]


def assert_next_is_clean(client: Client, upstream: ScriptedUpstream) -> None:
    """A later request has its own answer, from another connection."""
    used = len(upstream.connections)
    assert client.get("/next", upstream.host).body == b"clean"
    assert len(upstream.connections) > used, "the spoilt connection was used again"
    assert b"poison" not in client.received


@pytest.mark.parametrize("raw", cases(UNCLEAN_HEADS))
def test_an_unclean_answer_is_502_and_its_connection_is_closed(
    connect: Callable[[], Client], upstream: ScriptedUpstream, raw: bytes
) -> None:
    closed = threading.Event()

    def spoilt(connection: UpstreamConnection) -> None:
        connection.read_request()
        try:
            connection.send(raw)
            if raw.startswith(b"<html>"):
                connection.half_close()
            connection.wait_closed()
        finally:
            closed.set()

    upstream.script = in_turn(spoilt, replying(answer(b"clean")))
    client = connect()
    client.send(request("POST", "/", upstream.host, body=b"x"))
    assert_problem(client.answer(), 502)
    assert closed.wait(DEADLINE)
    assert_next_is_clean(connect(), upstream)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize(
    "raw",
    [b"", b"H", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"],
    ids=["nothing", "one byte", "half a header", "no empty line"],
)
def test_an_upstream_lost_before_or_within_the_head_is_502(
    connect: Callable[[], Client],
    upstream: ScriptedUpstream,
    raw: bytes,
    end: Callable[[UpstreamConnection], None],
    method: str,
) -> None:
    upstream.script = ending(raw, end)
    client = connect()
    client.send(request(method, "/", upstream.host, body=b"x"))
    assert_problem(client.answer(), 502)
    upstream.script = replying(answer(b"clean"))
    assert_next_is_clean(client, upstream)


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("raw", cases(BROKEN_BODIES))
def test_a_body_cut_short_is_never_seen_as_whole(
    connect: Callable[[], Client],
    upstream: ScriptedUpstream,
    raw: bytes,
    end: Callable[[UpstreamConnection], None],
) -> None:
    upstream.script = in_turn(ending(raw, end), replying(answer(b"clean")))
    client = connect()
    assert_broken_or_502(client, upstream)
    assert_next_is_clean(connect(), upstream)


@pytest.mark.parametrize("raw", cases(BAD_CHUNKS))
def test_a_broken_chunk_is_never_seen_as_whole(
    connect: Callable[[], Client], upstream: ScriptedUpstream, raw: bytes
) -> None:
    upstream.script = in_turn(
        ending(CHUNKED + raw, UpstreamConnection.wait_closed), replying(answer(b"clean"))
    )
    assert_broken_or_502(connect(), upstream)
    assert upstream.connections[0].ended.wait(DEADLINE)
    assert_next_is_clean(connect(), upstream)


def test_a_broken_chunk_after_good_ones_breaks_the_answer(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    half_way = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"5\r\nhello\r\n")
        assert half_way.wait(DEADLINE)
        connection.send(b"xyz\r\n")
        connection.wait_closed()

    upstream.script = in_turn(script, replying(answer(b"clean")))
    client = connect()
    client.send(request("GET", "/", upstream.host))
    seen = client.read_head()
    assert seen.status == 200
    half_way.set()
    client.read_body(seen, until_close=True)
    assert not seen.complete
    assert_next_is_clean(connect(), upstream)


def test_a_body_without_length_that_is_reset_is_never_seen_as_whole(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    half_way = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        assert half_way.wait(DEADLINE)
        connection.reset()

    upstream.script = script
    client = connect()
    client.send(request("GET", "/", upstream.host))
    seen = client.read_head()
    half_way.set()
    client.read_body(seen, until_close=True)
    assert not seen.complete


def test_a_body_cut_short_breaks_an_http_1_0_client_s_answer_too(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    half_way = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"5\r\nhello\r\n")
        assert half_way.wait(DEADLINE)

    upstream.script = script
    client = connect()
    client.send(f"GET / HTTP/1.0\r\nHost: {upstream.host}\r\n\r\n".encode())
    seen = client.read_head()
    half_way.set()
    client.read_body(seen, until_close=True)
    assert not seen.complete, "a clean end where only a reset tells the truth"


def assert_broken_or_502(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(request("POST", "/", upstream.host, body=b"x"))
    try:
        seen = client.answer()
    except Closed:
        return
    if seen.status == 502:
        assert_problem(seen, 502)
        return
    assert not seen.complete, "a broken body came as a whole one"
    assert b"HTTP/1.1 502" not in client.received, "a second head within the body"


def test_an_answer_byte_by_byte_is_an_answer(client: Client, upstream: ScriptedUpstream) -> None:
    def script(connection: UpstreamConnection) -> None:
        while True:
            connection.read_request()
            connection.send_slowly(answer(b"hello", "X-A: b"))

    upstream.script = script
    for _ in range(2):
        assert client.get("/", upstream.host).body == b"hello"
    assert len(upstream.connections) == 1


def test_an_unasked_answer_on_an_idle_connection_reaches_nobody(
    client: Client, upstream: ScriptedUpstream
) -> None:
    answered = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(OK)
        assert answered.wait(DEADLINE)
        connection.send(answer(b"poison"))
        connection.wait_closed()

    upstream.script = in_turn(script, replying(answer(b"clean")))
    assert client.get("/", upstream.host).body == b"ok"
    answered.set()
    assert upstream.connections[0].ended.wait(DEADLINE), "the spoilt connection stays open"
    assert_next_is_clean(client, upstream)


def test_an_answer_before_the_request_is_whole_is_not_reused(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request_head()
        connection.send(answer(b"early"))
        connection.wait_closed()

    upstream.script = in_turn(script, replying(answer(b"clean")))
    client = connect()
    client.send(request("POST", "/", upstream.host, "Content-Length: 10"))
    assert client.answer().body == b"early"
    client.close()
    assert_next_is_clean(connect(), upstream)


FAULTS = [*UNCLEAN_HEADS.values(), *BROKEN_BODIES.values()]


def answering_three_then_a_fault(connection: UpstreamConnection) -> None:
    for _ in range(3):
        connection.send(answer(connection.read_request().value("X-Tag") or b""))
    connection.read_request()
    connection.send(FAULTS[connection.number % len(FAULTS)])


def test_no_answer_reaches_another_client_while_faults_happen(
    connect: Callable[[], Client], upstream: ScriptedUpstream
) -> None:
    upstream.script = answering_three_then_a_fault
    bodies: list[tuple[bytes, bytes]] = []

    def run(name: str) -> None:
        client = connect()
        for number in range(150):
            tag = f"{name}-{number}"
            try:
                seen = client.get("/", upstream.host, f"X-Tag: {tag}")
            except (Closed, OSError):
                client = connect()
                continue
            if not seen.complete:
                client = connect()
            elif seen.status == 200:
                bodies.append((tag.encode(), seen.body))

    clients = [threading.Thread(target=run, args=(name,)) for name in ("a", "b")]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert [pair for pair in bodies if pair[0] != pair[1]] == []
    assert len(bodies) >= 150


def test_faults_leak_no_connection(
    connect: Callable[[], Client], site: Site, upstream: ScriptedUpstream
) -> None:
    upstream.script = lambda connection: ending(
        FAULTS[connection.number % len(FAULTS)], UpstreamConnection.close
    )(connection)
    before = site.gateway.open_files()
    for _ in FAULTS * 2:
        client = connect()
        client.send(request("POST", "/", upstream.host, body=b"x"))
        with contextlib.suppress(Closed):
            client.answer()
        client.close()
    eventually(lambda: site.gateway.open_files() <= before + 2, "closing what faults left open")
