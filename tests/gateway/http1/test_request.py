"""What is taken for a request, what is refused, and why."""

from __future__ import annotations

import pytest

from gateway.http1.request import MAX_FIELDS, BadRequest, RequestHead, parse_request


def parsed(*lines: str, start: str = "GET /x HTTP/1.1", host: str | None = "a.test") -> RequestHead:
    given = [start, *([] if host is None else [f"Host: {host}"]), *lines]
    request = RequestHead()
    parse_request("\r\n".join(given).encode("latin-1"), request)
    return request


def post(*lines: str) -> RequestHead:
    return parsed(*lines, start="POST /x HTTP/1.1")


def refused(head: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse_request(head, RequestHead())
    return caught.value


def after(*lines: str, start: str = "POST /x HTTP/1.1") -> bytes:
    return "\r\n".join([start, "Host: a.test", *lines]).encode("latin-1")


class TestWhatTravelsOn:
    def test_lines_stay_verbatim_and_in_order(self) -> None:
        lines = [
            "x-A:1",
            "X-a:   2 ",
            "Cookie: a=b",
            "x-A:1",
            "X-Empty:",
            "Accept: \xe9\t\x80",
            "B:",
        ]
        assert parsed(*lines).lines == [
            b"Host: a.test",
            *(line.encode("latin-1") for line in lines),
        ]

    def test_the_request_line_stays_verbatim(self) -> None:
        request = parsed(start="GET /a%2Fb?q=%20?;#x HTTP/1.1")
        assert request.start == b"GET /a%2Fb?q=%20?;#x HTTP/1.1"
        assert request.request_target == b"/a%2Fb?q=%20?;#x"
        assert (request.path, request.query) == (b"/a%2Fb", b"q=%20?;#x")

    @pytest.mark.parametrize(
        "line",
        [
            "Connection: keep-alive",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic eA==",
            "Proxy-Authenticate: Basic",
            "TE: trailers",
            "Upgrade: websocket",
            "Expect: 100-continue",
            "tRANSFER-eNCODING: chunked",
        ],
    )
    def test_what_is_for_this_hop_stays_here(self, line: str) -> None:
        assert post("A: 1", line, "B: 2").lines == [b"Host: a.test", b"A: 1", b"B: 2"]

    def test_content_length_goes_along(self) -> None:
        request = post("content-LENGTH: 007")
        assert request.content_length == 7
        assert request.lines[1:] == [b"content-LENGTH: 007"]

    @pytest.mark.parametrize(
        "line",
        [
            "X-Forwarded-For: 10.0.0.1",
            "x-forwarded-anything: 1",
            "X_Forwarded_For: 10.0.0.1",
            "X-Forwarded_Proto: https",
            "Forwarded: for=10.0.0.1",
            "X-Request-ID: 1",
            "x_request_id: 1",
        ],
    )
    def test_what_vouches_for_the_client_is_kept_apart_however_it_is_spelt(self, line: str) -> None:
        for _ in range(2):  # the second time it is remembered
            request = parsed(line, "A: 1")
            assert request.lines[1:] == [b"A: 1"]
            assert request.forwarded == [line.encode()]

    def test_other_underscores_are_left_alone(self) -> None:
        assert parsed("X_Custom: 1", "Host_: b").lines[1:] == [b"X_Custom: 1", b"Host_: b"]

    def test_headers_are_a_view_of_the_lines(self) -> None:
        request = parsed("A: 1")
        request.headers.set("B", "2")
        assert request.headers is request.headers
        assert request.lines[-1] == b"B: 2"

    def test_as_many_fields_as_allowed_and_no_more(self) -> None:
        lines = [f"X-{number}: {number}" for number in range(MAX_FIELDS - 1)]
        assert len(parsed(*lines).lines) == MAX_FIELDS
        assert refused(after(*lines, "One-More: 1")).status == 431


class TestConnection:
    def test_what_it_lists_ends_here(self) -> None:
        request = parsed("Connection: X-A , x-b", "connection:,close,,X-C", "x-a: 1", "X-D: 1")
        assert request.lines == [b"Host: a.test", b"X-D: 1"]
        assert not request.keep_alive

    @pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
    def test_it_cannot_take_away_what_frames_or_routes(self, name: str) -> None:
        assert "frames or routes" in refused(after(f"Connection: a, {name}")).detail

    def test_it_cannot_take_away_what_vouches_for_the_client(self) -> None:
        request = parsed("Connection: X-Forwarded-For", "X-Forwarded-For: 10.0.0.1")
        assert request.forwarded == [b"X-Forwarded-For: 10.0.0.1"]

    @pytest.mark.parametrize(
        ("version", "lines", "stays"),
        [
            ("1.1", [], True),
            ("1.1", ["Connection: CLOSE"], False),
            ("1.1", ["Connection: keep-alive", "Connection: close"], False),
            ("1.0", [], False),
            ("1.0", ["Connection: Keep-Alive"], True),
            ("1.0", ["Connection: keep-alive, close"], False),
        ],
    )
    def test_whether_it_stays(self, version: str, lines: list[str], stays: bool) -> None:
        assert parsed(*lines, start=f"GET / HTTP/{version}").keep_alive is stays


class TestUpgrade:
    def test_one_that_connection_names(self) -> None:
        request = parsed("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Upgrade: x/1")
        assert request.upgrade == b"websocket, x/1"

    @pytest.mark.parametrize(
        "head",
        [
            pytest.param(after("Upgrade: websocket"), id="not named by Connection"),
            pytest.param(after("Connection: upgrade"), id="no protocol"),
            pytest.param(after("Connection: upgrade", "Upgrade: h2c"), id="h2c"),
            pytest.param(after("Connection: upgrade", "Upgrade: a, H2C"), id="h2c in a list"),
            pytest.param(
                after("Connection: upgrade", "Upgrade: a", "Upgrade: h2c"), id="h2c in another line"
            ),
            pytest.param(
                after("Connection: upgrade", "Upgrade: a", "Content-Length: 1"), id="with a body"
            ),
            pytest.param(
                after("Connection: upgrade", "Upgrade: a", "Transfer-Encoding: chunked"),
                id="with a chunked body",
            ),
            pytest.param(
                after("Connection: upgrade", "Upgrade: a", start="GET / HTTP/1.0"), id="HTTP/1.0"
            ),
        ],
    )
    def test_any_other_is_ignored_and_not_passed_on(self, head: bytes) -> None:
        request = RequestHead()
        parse_request(head, request)
        assert request.upgrade is None
        assert not {"upgrade", "connection"} & {name.lower() for name, _ in request.headers.items()}


class TestFraming:
    def test_no_body_a_length_or_chunks(self) -> None:
        assert post().content_length == 0
        assert post("Content-Length:\t5 ").content_length == 5
        assert post("Content-Length: 999999999999999999").content_length == 10**18 - 1
        assert post("Transfer-Encoding: Chunked").content_length is None

    @pytest.mark.parametrize(
        ("lines", "why"),
        [
            (["Content-Length: 5", "Transfer-Encoding: chunked"], "both"),
            (["Transfer-Encoding: chunked", "Content-Length: 0"], "both"),
            (["Content-Length: 5", "content-length: 5"], "more than one Content-Length"),
            (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "more than one Tr"),
            (["Content-Length: 5, 5"], "not a number"),
            (["Content-Length: +5"], "not a number"),
            (["Content-Length: 0x5"], "not a number"),
            (["Content-Length: 1_0"], "not a number"),
            (["Content-Length: \xb2"], "not a number"),
            (["Content-Length: \xa05"], "not a number"),
            (["Content-Length:"], "not a number"),
            (["Content-Length: 1000000000000000000"], "not a number"),
            (["Transfer-Encoding: gzip, chunked"], "not chunked"),
            (["Transfer-Encoding: chunked,"], "not chunked"),
            (["Transfer-Encoding: chunked;q=1"], "not chunked"),
            (["Transfer-Encoding: \xa0chunked"], "not chunked"),
            (["Transfer-Encoding:"], "not chunked"),
            (["Transfer-Encoding: identity"], "not chunked"),
            (["Transfer-Encoding : chunked"], "no valid name"),
            (["Content-Length\t: 5"], "no valid name"),
            (["Transfer_Encoding: chunked"], "no valid name"),
            (["content_length: 5"], "no valid name"),
            (["Transfer-Encoding:\x0bchunked"], "control character"),
            (["X: 1\rTransfer-Encoding: chunked"], "control character"),
            (["X: 1\nTransfer-Encoding: chunked"], "control character"),
            (["X: 1", " Transfer-Encoding: chunked"], "no valid name"),
        ],
    )
    def test_what_could_be_read_in_two_ways_is_refused(self, lines: list[str], why: str) -> None:
        error = refused(after(*lines))
        assert why in error.detail
        assert error.status == 400

    def test_chunks_are_unknown_to_http_1_0(self) -> None:
        head = after("Transfer-Encoding: chunked", start="POST / HTTP/1.0")
        assert "not chunked" in refused(head).detail


class TestExpect:
    def test_it_is_waited_for_in_http_1_1_only(self) -> None:
        assert parsed("Expect: 100-Continue").expect
        assert not parsed("Expect: 100-continue", start="GET / HTTP/1.0").expect
        assert not parsed().expect

    def test_another_one_is_refused(self) -> None:
        assert refused(after("Expect: 200-ok")).status == 417


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"", "three words"),
        (b"GET / HTTP/1.1\n", "control character"),
        (b"GET /\0 HTTP/1.1\r\nHost: a", "control character"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f", "control character"),
        (b"GET / HTTP/1.1\r\r\n\nHost: a", "control character"),
        (b"GET /", "three words"),
        (b"GET  / HTTP/1.1\r\nHost: a", "three words"),
        (b"GET / HTTP/1.1 \r\nHost: a", "three words"),
        (b"GET\t/ HTTP/1.1\r\nHost: a", "three words"),
        (b"get / HTTP/1.1\r\nHost: a", "method"),
        (b"G(T / HTTP/1.1\r\nHost: a", "method"),
        (b"1GET / HTTP/1.1\r\nHost: a", "method"),
        (b"A" * 33 + b" / HTTP/1.1\r\nHost: a", "method"),
        (b"CONNECT / HTTP/1.1\r\nHost: a", "no tunnels"),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443", "no tunnels"),
        (b"GET / HTTP/1.2\r\nHost: a", "version"),
        (b"GET / HTTP/2.0\r\nHost: a", "version"),
        (b"GET / http/1.1\r\nHost: a", "version"),
        (b"GET * HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"OPTIONS ** HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"GET x HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"GET http:///x HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"GET http://u@a/ HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"GET http://a@b/ HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"GET http://a#b HTTP/1.1\r\nHost: a", "neither a path nor a URL"),
        (b"GET / HTTP/1.1\r\n X: 1\r\nHost: a", "no valid name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\tfolded", "no valid name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon", "no valid name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: empty", "no valid name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: 1", "no valid name"),
        (b"GET / HTTP/1.1\r\nHost : a", "no valid name"),
    ],
)
def test_what_is_no_request_is_refused(head: bytes, why: str) -> None:
    assert why in refused(head).detail


def test_a_refusal_never_repeats_what_was_sent() -> None:
    for head in (b"CANARY canary CANARY", after("CANARY"), after("Expect: CANARY")):
        assert "CANARY" not in refused(head).detail.upper()


@pytest.mark.parametrize("method", ["PATCH", "PROPFIND", "M-SEARCH", "VERSION_2", "A" * 32])
def test_any_method_in_capitals_is_one(method: str) -> None:
    assert parsed(start=f"{method} / HTTP/1.1").method == method
