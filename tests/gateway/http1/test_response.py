"""What is taken for an answer, what is refused, and how long its body is."""

from __future__ import annotations

import tracemalloc

import pytest

from gateway.http1 import response
from gateway.http1.request import MAX_FIELDS
from gateway.http1.response import UNTIL_CLOSE, BadAnswer, ResponseHead, parse_response


def parsed(*lines: str, start: str = "HTTP/1.1 200 OK", to_head: bool = False) -> ResponseHead:
    return parse_response("\r\n".join([start, *lines]).encode("latin-1"), to_head)


class TestTheStatusLine:
    @pytest.mark.parametrize(
        ("line", "status", "start"),
        [
            ("HTTP/1.1 200 OK", 200, b"HTTP/1.1 200 OK"),
            ("HTTP/1.0 404 Not Found", 404, b"HTTP/1.1 404 Not Found"),
            ("HTTP/1.1 299 ", 299, b"HTTP/1.1 299 "),
            ("HTTP/1.1 200", 200, b"HTTP/1.1 200"),
            ("HTTP/1.1 999 \xe9  x\t", 999, b"HTTP/1.1 999 \xe9  x\t"),
        ],
    )
    def test_it_keeps_its_reason(self, line: str, status: int, start: bytes) -> None:
        for _ in range(2):  # the second time it is remembered
            head = parsed(start=line)
            assert (head.status, head.start) == (status, start)
            assert head.minor == int(line[7])

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "HTTP/1.1",
            "HTTP/1.1 OK",
            "HTTP/1.1  200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 099 OK",
            "HTTP/1.1 \xb200 OK",
            "HTTP/1.1\t200 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.2 200 OK",
            "HTTP/2 200 OK",
            "http/1.1 200 OK",
            "ICY 200 OK",
            " HTTP/1.1 200 OK",
        ],
    )
    def test_another_is_refused(self, line: str) -> None:
        with pytest.raises(BadAnswer, match="status line"):
            parsed(start=line)

    def test_reasons_that_are_made_up_fill_no_memory(self) -> None:
        tracemalloc.start()
        try:
            for number in range(200):
                parsed(start=f"HTTP/1.1 200 {number}" + "a" * 30_000)
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert grown < 1_000_000

    def test_many_different_ones_are_read_all_the_same(self) -> None:
        for number in range(600):
            assert parsed(start=f"HTTP/1.1 200 {number}").start.endswith(b" %d" % number)


class TestWhatTravelsOn:
    def test_lines_stay_verbatim_and_in_order(self) -> None:
        lines = ["Set-Cookie: a", "x-A:1", "set-cookie:  b ", "Server:", "X-Forwarded-For: 1"]
        assert parsed(*lines).lines == [line.encode() for line in lines]

    @pytest.mark.parametrize(
        "line",
        [
            "Connection: keep-alive",
            "connection: Keep-Alive",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: close",
            "Proxy-Authenticate: Basic",
            "Upgrade: h2c",
            "TE: x",
            "Transfer-Encoding: chunked",
        ],
    )
    def test_what_is_for_this_hop_stays_here(self, line: str) -> None:
        assert parsed("A: 1", line, "B: 2").lines == [b"A: 1", b"B: 2"]

    def test_what_connection_lists_stays_here_but_not_the_length(self) -> None:
        head = parsed("Connection: x-a, Content-Length", "X-A: 1", "Content-Length: 1", "X-B: 1")
        assert head.lines == [b"Content-Length: 1", b"X-B: 1"]

    def test_headers_are_a_view_of_the_lines(self) -> None:
        head = parsed("A: 1")
        head.headers.remove("a")
        assert head.headers is head.headers
        assert head.lines == []


@pytest.mark.parametrize(
    ("version", "lines", "stays"),
    [
        ("1.1", [], True),
        ("1.1", ["Connection: keep-alive"], True),
        ("1.1", ["Connection: Close"], False),
        ("1.1", ["Connection: keep-alive", "Connection: close"], False),
        ("1.0", [], False),
        ("1.0", ["Connection: keep-alive"], True),
        ("1.0", ["Connection: Keep-Alive"], True),
        ("1.0", ["Connection: keep-alive", "Connection: x, close"], False),
    ],
)
def test_whether_the_connection_may_serve_again(
    version: str, lines: list[str], stays: bool
) -> None:
    assert parsed(*lines, start=f"HTTP/{version} 200 OK").keep_alive is stays


def test_the_protocol_switched_to_is_the_one_connection_names() -> None:
    start = "HTTP/1.1 101 Switching Protocols"
    head = parsed("Connection: Upgrade", "Upgrade: websocket", start=start)
    assert (head.upgrade, head.lines) == (b"websocket", [])
    assert parsed("Upgrade: websocket", start=start).upgrade is None


class TestFraming:
    @pytest.mark.parametrize(
        ("status", "lines", "to_head", "length"),
        [
            (200, [], False, UNTIL_CLOSE),
            (200, ["Content-Length:\t5 "], False, 5),
            (200, ["Content-Length: 005"], False, 5),
            (200, ["Transfer-Encoding: Chunked"], False, None),
            (200, ["Content-Length: 5"], True, 0),
            (200, ["Transfer-Encoding: chunked"], True, 0),
            (200, [], True, 0),
            (304, ["Content-Length: 5"], False, 0),
            (304, ["Transfer-Encoding: chunked"], False, 0),
            (204, [], False, 0),
            (204, ["Content-Length: 0"], False, 0),
            (103, ["Link: </x>"], False, 0),
        ],
    )
    def test_how_long_the_body_is(
        self, status: int, lines: list[str], to_head: bool, length: int | None
    ) -> None:
        head = parsed(*lines, start=f"HTTP/1.1 {status} X", to_head=to_head)
        assert head.content_length == length
        assert head.has_length is any(line.startswith("Content-Length") for line in lines)

    @pytest.mark.parametrize(
        ("start", "lines", "why"),
        [
            ("200", ["Content-Length: 5", "Transfer-Encoding: chunked"], "both"),
            ("200", ["Transfer-Encoding: chunked", "Content-Length: 5"], "both"),
            ("200", ["Content-Length: 5", "content-length: 5"], "more than one Content-Length"),
            ("200", ["Transfer-Encoding: chunked", "Transfer-Encoding: x"], "more than one Tr"),
            ("200", ["Content-Length: 5, 5"], "not a number"),
            ("200", ["Content-Length: -5"], "not a number"),
            ("200", ["Content-Length:"], "not a number"),
            ("200", ["Content-Length: 1000000000000000000"], "not a number"),
            ("200", ["Transfer-Encoding: gzip, chunked"], "not chunked"),
            ("200", ["Transfer-Encoding:"], "not chunked"),
            ("200", ["Transfer-Encoding: identity"], "not chunked"),
            ("200", ["Transfer_Encoding: chunked"], "no valid name"),
            ("200", ["Content-Length : 5"], "no valid name"),
            ("200", ["X: 1", " folded"], "no valid name"),
            ("200", ["no colon"], "no valid name"),
            ("200", [": empty"], "no valid name"),
            ("200", ["X: \0"], "control character"),
            ("200", ["X: a\rSet-Cookie: b"], "control character"),
            ("200", ["X: a\nSet-Cookie: b"], "control character"),
            ("200", [f"X-{number}: 1" for number in range(MAX_FIELDS + 1)], "too many fields"),
            ("204", ["Content-Length: 5"], "none may be"),
            ("204", ["Transfer-Encoding: chunked"], "none may be"),
            ("101", ["Content-Length: 5"], "none may be"),
            ("103", ["Transfer-Encoding: chunked"], "none may be"),
        ],
    )
    def test_what_could_be_read_in_two_ways_is_refused(
        self, start: str, lines: list[str], why: str
    ) -> None:
        for to_head in (False, True):
            with pytest.raises(BadAnswer, match=why):
                parsed(*lines, start=f"HTTP/1.1 {start} X", to_head=to_head)

    def test_chunks_are_unknown_to_http_1_0(self) -> None:
        with pytest.raises(BadAnswer, match="not chunked"):
            parsed("Transfer-Encoding: chunked", start="HTTP/1.0 200 OK")


def test_a_refusal_never_repeats_what_was_sent() -> None:
    for lines in (["CANARY"], ["Content-Length: CANARY"], ["Transfer-Encoding: CANARY"]):
        with pytest.raises(BadAnswer) as caught:
            parsed(*lines)
        assert "CANARY" not in str(caught.value)


def test_a_head_that_comes_again_is_read_alike_and_shares_no_lines() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Again: yes\r\nConnection: close"
    heads = [parse_response(raw, False) for _ in range(4)]
    for head in heads:
        assert (head.status, head.content_length, head.keep_alive) == (200, 5, False)
        assert head.lines == [b"Content-Length: 5", b"X-Again: yes"]
        head.headers.set("X-Again", "changed")
    assert parse_response(raw, False).headers.get("x-again") == "yes"


def test_a_head_seen_before_means_something_else_to_a_head_request() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-For-Head: yes"
    lengths = [parse_response(raw, to_head).content_length for to_head in (False, False, True)]
    assert lengths == [7, 7, 0]


def test_heads_are_remembered_in_bounded_number_and_never_with_a_cookie() -> None:
    for number in range(3000):
        raw = b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: 0" % number
        for _ in range(2):
            parse_response(raw, False)
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: secret=1\r\nContent-Length: 0"
    for _ in range(3):
        assert parse_response(cookie, False).headers.get("set-cookie") == "secret=1"
    assert len(response._heads) <= response.MAX_REMEMBERED
    assert cookie not in response._heads
