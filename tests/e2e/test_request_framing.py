"""A request whose framing is in doubt is refused, never repaired, and never reaches an upstream."""

from __future__ import annotations

import contextlib

import pytest

from tests.e2e.problems import assert_problem, assert_refused
from tests.e2e.rawhttp import DEADLINE, Client, Closed, request
from tests.e2e.scripted_upstream import ScriptedUpstream
from tests.e2e.site import Site

HOST = "pool0.test"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: pool0.test\r\n\r\n"


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(1)
    new_site.route("health", "/health", respond={"status": 200, "body": "well"})
    return new_site.start()


@pytest.fixture
def upstream(site: Site) -> ScriptedUpstream:
    """Shared: no request of this module that is refused may reach it."""
    upstream = site.scripted["pool0"]
    upstream.start()
    return upstream


def head(*lines: str, start: str = "POST /x HTTP/1.1") -> bytes:
    return "\r\n".join([start, f"Host: {HOST}", *lines, "", ""]).encode("latin-1")


def get(*lines: str) -> bytes:
    return head(*lines, start="GET /x HTTP/1.1")


AMBIGUOUS_LENGTHS = {
    "content-length and transfer-encoding": head("Content-Length: 5", "Transfer-Encoding: chunked"),
    "transfer-encoding and content-length": head("Transfer-Encoding: chunked", "Content-Length: 5"),
    "transfer-encoding and content-length 0": head(
        "Content-Length: 0", "Transfer-Encoding: chunked"
    ),
    "content-length twice, equal": head("Content-Length: 5", "Content-Length: 5"),
    "content-length twice, different": head("Content-Length: 5", "Content-Length: 6"),
    "content-length list, equal": head("Content-Length: 5, 5"),
    "content-length list, different": head("Content-Length: 5, 6"),
    "content-length with plus": head("Content-Length: +5"),
    "content-length negative": head("Content-Length: -5"),
    "content-length with inner space": head("Content-Length: 1 0"),
    "content-length in hex": head("Content-Length: 0x5"),
    "content-length with underscore": head("Content-Length: 1_0"),
    "content-length empty": head("Content-Length:"),
    "content-length decimal": head("Content-Length: 5.0"),
    "content-length in other digits": head("Content-Length: \xb2"),
    "content-length of 2^64 + 5": head("Content-Length: 18446744073709551621"),
    "content-length of a thousand digits": head("Content-Length: " + "9" * 1000),
    "content-length and a space before the colon": head("Content-Length : 5"),
    "transfer-encoding identity": head("Transfer-Encoding: identity"),
    "transfer-encoding gzip, chunked": head("Transfer-Encoding: gzip, chunked"),
    "transfer-encoding chunked, gzip": head("Transfer-Encoding: chunked, gzip"),
    "transfer-encoding chunked, chunked": head("Transfer-Encoding: chunked, chunked"),
    "transfer-encoding chunked, identity": head("Transfer-Encoding: chunked, identity"),
    "transfer-encoding xchunked": head("Transfer-Encoding: xchunked"),
    "transfer-encoding with vertical tab": head("Transfer-Encoding: \x0bchunked"),
    "transfer-encoding quoted": head('Transfer-Encoding: "chunked"'),
    "transfer-encoding empty": head("Transfer-Encoding:"),
    "transfer-encoding with parameter": head("Transfer-Encoding: chunked;a=b"),
    "transfer-encoding twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "transfer-encoding twice, one identity": head(
        "Transfer-Encoding: chunked", "Transfer-Encoding: identity"
    ),
    "transfer-encoding and a space before the colon": head("Transfer-Encoding : chunked"),
    "transfer-encoding and a tab before the colon": head("Transfer-Encoding\t: chunked"),
    "transfer-encoding in HTTP/1.0": head("Transfer-Encoding: chunked", start="POST /x HTTP/1.0"),
}

MALFORMED_HEADS = {
    "folded line": get("X-A: b", " c: d"),
    "folded line with tab": get("X-A: b", "\tc: d"),
    "folded first line": b"GET /x HTTP/1.1\r\n X-A: b\r\nHost: pool0.test\r\n\r\n",
    "bare LF after the request line": b"GET /x HTTP/1.1\nHost: pool0.test\r\n\r\n",
    "bare LF after a header": b"GET /x HTTP/1.1\r\nHost: pool0.test\nX-A: b\r\n\r\n",
    "bare LF at the end": b"GET /x HTTP/1.1\r\nHost: pool0.test\r\n\n",
    "bare LF everywhere": b"GET /x HTTP/1.1\nHost: pool0.test\n\n",
    "bare CR in a value": get("X-A: b\rX-B: c"),
    "bare CR before a header": b"GET /x HTTP/1.1\r\nHost: pool0.test\r\n\rX-A: b\r\n\r\n",
    "bare CR after the request line": b"GET /x HTTP/1.1\rHost: pool0.test\r\n\r\n",
    "NUL in a value": get("X-A: b\0c"),
    "NUL in a name": get("X\0A: b"),
    "control byte in a value": get("X-A: b\x01c"),
    "DEL in a value": get("X-A: b\x7fc"),
    "no Host": b"GET /x HTTP/1.1\r\nX-A: b\r\n\r\n",
    "two Hosts, equal": get("Host: pool0.test"),
    "two Hosts, different": get("Host: other.test"),
    "Host with a path": b"GET /x HTTP/1.1\r\nHost: pool0.test/evil\r\n\r\n",
    "Host with user info": b"GET /x HTTP/1.1\r\nHost: evil@pool0.test\r\n\r\n",
    "Host with a space": b"GET /x HTTP/1.1\r\nHost: pool0.test evil\r\n\r\n",
    "Host with a list": b"GET /x HTTP/1.1\r\nHost: pool0.test, evil.test\r\n\r\n",
    "Host with a bad port": b"GET /x HTTP/1.1\r\nHost: pool0.test:80a\r\n\r\n",
    "Host not ASCII": b"GET /x HTTP/1.1\r\nHost: p\xf6l0.test\r\n\r\n",
    "empty header name": get(": b"),
    "header without a colon": get("X-A"),
    "space in a header name": get("X A: b"),
    "space before the colon": get("X-A : b"),
    "non-ASCII header name": get("X-\xe4: b"),
    "parenthesis in a header name": get("X(A): b"),
    "space in the target": b"GET /a b HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "tab in the target": b"GET /a\tb HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "NUL in the target": b"GET /a\0b HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "DEL in the target": b"GET /a\x7fb HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "non-ASCII target": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "fragment in the target": b"GET /a#b HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "target without a slash": b"GET x HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "percent without digits": b"GET /a%zz HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "percent at the end": b"GET /a% HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "dot segments": b"GET /a/../b HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "dot segments, encoded": b"GET /a/%2e%2E/b HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "dot segment at the end": b"GET /a/.. HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "two spaces after the method": b"GET  /x HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "space after the version": b"GET /x HTTP/1.1 \r\nHost: pool0.test\r\n\r\n",
    "space before the method": b" GET /x HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "HTTP/0.9 with a version": b"GET /x HTTP/0.9\r\nHost: pool0.test\r\n\r\n",
    "HTTP/1.2": b"GET /x HTTP/1.2\r\nHost: pool0.test\r\n\r\n",
    "HTTP/2.0": b"GET /x HTTP/2.0\r\nHost: pool0.test\r\n\r\n",
    "HTTP/1.10": b"GET /x HTTP/1.10\r\nHost: pool0.test\r\n\r\n",
    "HTTP/01.1": b"GET /x HTTP/01.1\r\nHost: pool0.test\r\n\r\n",
    "HTTP/1": b"GET /x HTTP/1\r\nHost: pool0.test\r\n\r\n",
    "http in lower case": b"GET /x http/1.1\r\nHost: pool0.test\r\n\r\n",
    "another protocol": b"GET /x RTSP/1.0\r\nHost: pool0.test\r\n\r\n",
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "method in lower case": b"get /x HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "method with an odd character": b"GE(T /x HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "method with a NUL": b"GE\0T /x HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "absolute-form with another host": b"GET http://e.test/x HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "absolute-form with user info": b"GET http://a@pool0.test HTTP/1.1\r\nHost: pool0.test\r\n\r\n",
    "TLS to a plain listener": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "PROXY protocol v1 from nobody trusted": (
        b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\nGET /x HTTP/1.1\r\nHost: pool0.test\r\n\r\n"
    ),
    "PROXY protocol v2 from nobody trusted": (
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x12\x67\0\x50"
        b"GET /x HTTP/1.1\r\nHost: pool0.test\r\n\r\n"
    ),
}

CHUNKED = head("Transfer-Encoding: chunked")
BROKEN_CHUNKS = {
    "size with plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size with minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size with underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size of 2^64 + 5": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "size of a thousand digits": b"0" * 1000 + b"5\r\nhello\r\n0\r\n\r\n",
    "size after a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "size before a space": b"5 \r\nhello\r\n0\r\n\r\n",
    "size after a tab": b"\t5\r\nhello\r\n0\r\n\r\n",
    "size missing": b"\r\nhello\r\n0\r\n\r\n",
    "size not hex": b"g\r\nhello\r\n0\r\n\r\n",
    "size line ended by LF": b"5\nhello\r\n0\r\n\r\n",
    "size line ended by CR": b"5\rhello\r\n0\r\n\r\n",
    "extension with LF": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "extension with CR": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "extension with NUL": b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "no CRLF after the data": b"5\r\nhello0\r\n\r\n",
    "LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "more data than the size": b"5\r\nhello world\r\n0\r\n\r\n",
    "end of body with LF": b"5\r\nhello\r\n0\r\n\n",
    "last chunk ended by LF": b"5\r\nhello\r\n0\n\r\n",
    "trailer without a colon": b"5\r\nhello\r\n0\r\nX-A\r\n\r\n",
    "trailer with NUL": b"5\r\nhello\r\n0\r\nX-A: \0\r\n\r\n",
    "trailer with bare LF": b"5\r\nhello\r\n0\r\nX-A: b\nX-B: c\r\n\r\n",
    "trailer with empty name": b"5\r\nhello\r\n0\r\n: b\r\n\r\n",
    "trailer folded": b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n",
    "trailer with a space before the colon": b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n",
}


def cases(table: dict[str, bytes]) -> list[object]:
    return [pytest.param(raw, id=name) for name, raw in table.items()]


@pytest.mark.parametrize("raw", cases(AMBIGUOUS_LENGTHS))
def test_an_ambiguous_length_is_refused(
    client: Client, upstream: ScriptedUpstream, raw: bytes
) -> None:
    before = len(upstream.received)
    client.send(raw + b"0\r\n\r\n" + SMUGGLED)
    assert_refused(client, 400)
    assert len(upstream.received) == before


@pytest.mark.parametrize("raw", cases(MALFORMED_HEADS))
def test_a_malformed_head_is_refused(
    client: Client, upstream: ScriptedUpstream, raw: bytes
) -> None:
    before = len(upstream.received)
    client.send(raw + SMUGGLED)
    assert_refused(client, 400)
    assert len(upstream.received) == before


@pytest.mark.parametrize("raw", cases(BROKEN_CHUNKS))
def test_a_broken_chunk_is_refused_and_never_ends_the_upstream_s_request(
    client: Client, upstream: ScriptedUpstream, raw: bytes
) -> None:
    before = len(upstream.received), len(upstream.requests)
    client.send(CHUNKED + raw + SMUGGLED)
    assert_refused(client, 400)
    assert len(upstream.requests) == before[1]
    assert b"smuggled" not in upstream.received[before[0] :]


@pytest.mark.parametrize("raw", cases(BROKEN_CHUNKS))
def test_a_broken_chunk_in_a_later_segment_is_refused_too(
    client: Client, upstream: ScriptedUpstream, raw: bytes
) -> None:
    before = len(upstream.received), len(upstream.requests), len(upstream.heads)
    client.send(CHUNKED + b"3\r\nabc\r\n")
    upstream.wait_for(lambda: len(upstream.heads) > before[2])
    client.send(raw + SMUGGLED)
    assert_refused(client, 400)
    assert len(upstream.requests) == before[1]
    assert b"smuggled" not in upstream.received[before[0] :]


@pytest.mark.parametrize(
    "raw",
    [AMBIGUOUS_LENGTHS["content-length twice, equal"], MALFORMED_HEADS["bare LF everywhere"]],
)
def test_a_refusal_comes_after_the_answers_to_earlier_requests(
    client: Client, upstream: ScriptedUpstream, raw: bytes
) -> None:
    client.send(request("GET", "/first", HOST) + raw)
    assert client.answer().status == 200
    assert_refused(client, 400)


def test_a_refused_request_that_trickles_in_is_refused_as_well(
    client: Client, upstream: ScriptedUpstream
) -> None:
    before = len(upstream.received)
    client.send_slowly(AMBIGUOUS_LENGTHS["content-length and transfer-encoding"])
    assert_refused(client, 400)
    assert len(upstream.received) == before


def test_a_refusal_does_not_echo_what_was_sent(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(get("X-A : <script>canary</script>"))
    answer = assert_refused(client, 400)
    assert b"canary" not in answer.body
    assert b"Traceback" not in answer.body


def test_connect_opens_no_tunnel(client: Client, upstream: ScriptedUpstream) -> None:
    before = len(upstream.received)
    port = upstream.listener.getsockname()[1]
    client.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert client.answer().status in (400, 404, 405, 501)
    assert len(upstream.received) == before


def test_a_request_in_many_segments_is_one_request(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send_slowly(request("POST", "/slow", HOST, body=b"hello"))
    assert client.answer().status == 200
    assert upstream.requests[-1].body == b"hello"


def test_chunk_extensions_are_allowed(client: Client, upstream: ScriptedUpstream) -> None:
    client.send(CHUNKED + b'5;a=b;c="d"\r\nhello\r\n0\r\n\r\n')
    assert client.answer().status == 200
    assert upstream.requests[-1].body == b"hello"


def test_transfer_encoding_in_capitals_is_chunked(
    client: Client, upstream: ScriptedUpstream
) -> None:
    client.send(head("TRANSFER-ENCODING: CHUNKED") + b"5\r\nhello\r\n0\r\n\r\n")
    assert client.answer().status == 200
    assert upstream.requests[-1].body == b"hello"


def test_a_head_that_never_ends_gets_no_answer_from_an_upstream_after_fin(
    client: Client, upstream: ScriptedUpstream
) -> None:
    before = len(upstream.received)
    client.send(b"GET /x HTTP/1.1\r\nHost: pool0.test\r\n")
    client.half_close()
    rest = client.wait_closed()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")
    assert len(upstream.received) == before


def test_a_body_that_ends_early_is_never_a_whole_request(
    client: Client, upstream: ScriptedUpstream
) -> None:
    before = len(upstream.requests), len(upstream.heads)
    client.send(request("POST", "/short", HOST, "Content-Length: 10") + b"12345")
    upstream.wait_for(lambda: len(upstream.heads) > before[1])
    client.half_close()
    with contextlib.suppress(Closed):
        assert_problem(client.answer(), 400)
    connection = upstream.connections[-1]
    assert connection.ended.wait(DEADLINE)
    assert len(upstream.requests) == before[0]


def test_the_empty_request_gets_no_answer(client: Client) -> None:
    client.half_close()
    client.sees_the_end()
