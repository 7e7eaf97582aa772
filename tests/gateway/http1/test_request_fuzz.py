"""No head is read in one way here and in another by aiohttp: where both accept, both agree."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiohttp import http_exceptions
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy, RawRequestMessage

from gateway.http1.request import BadRequest, RequestHead, parse_request
from gateway.http1.response import BadAnswer, parse_response

HEADS = [
    [b"GET /a/b?c=d HTTP/1.1", b"Host: a.test", b"Accept: */*", b"X-A: 1", b"x-a:2"],
    [b"POST /a HTTP/1.1", b"Host: a.test:80", b"Content-Length: 5", b"Connection: keep-alive"],
    [b"POST /a HTTP/1.1", b"Transfer-Encoding: chunked", b"Host: a.test", b"TE: trailers"],
    [b"GET /ws HTTP/1.1", b"Host: a", b"Connection: Upgrade", b"Upgrade: websocket"],
    [b"GET http://a.test/x HTTP/1.1", b"Host: a.test", b"Connection: close, X-A", b"X-A: 1"],
    [b"PUT / HTTP/1.0", b"Content-Length: 10", b"Expect: 100-continue", b"Host: [::1]:80"],
    [b"OPTIONS * HTTP/1.1", b"Host: a", b"X-Forwarded-For: 10.0.0.1", b"X-Request-ID: 1"],
    [b"HEAD /a HTTP/1.0", b"X-Empty:", b"Cookie: a=b; c=d"],
]
ANSWERS = [
    [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Connection: keep-alive", b"Server: x"],
    [b"HTTP/1.0 404 Not Found", b"Transfer-Encoding: chunked", b"Connection: close, X-A"],
    [b"HTTP/1.1 304 Not Modified", b"ETag: x", b"Upgrade: h2c"],
]
LINES = [
    b"Content-Length: 5",
    b"Content-Length: 0",
    b"content-length:5",
    b"Content-Length: 5, 5",
    b"Content-Length: +5",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:\tChunked ",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: x",
    b"Transfer_Encoding: chunked",
    b"Connection: close",
    b"Connection: content-length",
    b"Connection: upgrade",
    b"Upgrade: h2c",
    b"Host: b.test",
    b" folded: 1",
    b"\tchunked",
    b": 1",
    b"",
]
BYTES = [bytes([byte]) for byte in b"\r\n\t\0 :,;_-+\x0b\x0c\x7f\x85\xa0\xff05aZ/?#@*%"]
BYTES += [b"\r\n", b"\n ", b"\r\r\n", b"\r\n\t", b" HTTP/1.1", b"chunked", b"Host:"]


def mutated(heads: list[list[bytes]], chance: random.Random) -> bytes:
    """A head with up to four mistakes, in its lines or in its bytes."""
    lines = list(chance.choice(heads))
    for _ in range(chance.randint(0, 2)):
        lines.insert(chance.randint(1, len(lines)), chance.choice(LINES))
    if chance.random() < 0.2:
        lines.pop(chance.randrange(len(lines)))
    head = b"\r\n".join(lines)
    for _ in range(chance.randint(0, 2)):
        at = chance.randrange(len(head) + 1)
        head = head[:at] + chance.choice(BYTES) + head[at + chance.randint(0, 1) :]
    return head.partition(b"\r\n\r\n")[0]


@pytest.fixture(params=[HttpRequestParser, HttpRequestParserPy], ids=["C", "Python"])
def peer(request: pytest.FixtureRequest) -> type[HttpRequestParserPy]:
    parser: type[HttpRequestParserPy] = request.param
    return parser


def read_by(
    peer: type[HttpRequestParserPy], protocol: BaseProtocol, head: bytes
) -> RawRequestMessage | None:
    loop = asyncio.get_running_loop()
    parser = peer(protocol, loop, 2**16, max_line_size=2**15, max_field_size=2**15)
    try:
        messages, _, _ = parser.feed_data(head + b"\r\n\r\n")
    except http_exceptions.HttpProcessingError:
        return None
    assert len(messages) == 1
    return messages[0][0]


def framing(message: RawRequestMessage) -> int | None:
    return None if message.chunked else int(message.headers.get("Content-Length", "0"))


def forwarded(request: RequestHead) -> bytes:
    """As it goes to an upstream in HTTP/1.1, like gateway.proxy makes it."""
    start = b"%b %b HTTP/1.1" % (request.method.encode(), request.path)
    lines = [start, *request.lines]
    if not request.authority:
        lines.append(b"Host: upstream")
    if request.content_length is None:
        lines.append(b"Transfer-Encoding: chunked")
    return b"\r\n".join(lines)


async def test_where_aiohttp_accepts_it_too_it_is_the_same_request(
    peer: type[HttpRequestParserPy],
) -> None:
    protocol = BaseProtocol(asyncio.get_running_loop())
    chance = random.Random(9112)
    agreed = 0
    for _ in range(6000):
        head = mutated(HEADS, chance)
        request = RequestHead()
        try:
            parse_request(head, request)
        except BadRequest:
            continue
        message = read_by(peer, protocol, head)
        if message is not None:
            agreed += 1
            assert message.method == request.method
            assert message.path.encode("utf-8", "surrogateescape") == request.request_target
            assert framing(message) == request.content_length
            assert message.version.minor == request.minor
        passed_on = read_by(peer, protocol, forwarded(request))
        if passed_on is not None:
            assert framing(passed_on) == request.content_length
            assert len(passed_on.headers.getall("Host")) == 1
            assert "Connection" not in passed_on.headers
    assert agreed > 1000


async def test_what_arrives_clean_leaves_clean(peer: type[HttpRequestParserPy]) -> None:
    protocol = BaseProtocol(asyncio.get_running_loop())
    for lines in HEADS:
        head = b"\r\n".join(lines)
        request = RequestHead()
        parse_request(head, request)
        assert read_by(peer, protocol, head) is not None
        assert read_by(peer, protocol, forwarded(request)) is not None


def test_whatever_bytes_come_a_request_is_read_or_refused_and_its_lines_are_lines() -> None:
    chance = random.Random(2616)
    for number in range(20_000):
        head = mutated(HEADS, chance) if number % 4 else chance.randbytes(chance.randint(0, 60))
        request = RequestHead()
        try:
            parse_request(head, request)
        except BadRequest:
            continue
        given = head.split(b"\r\n")[1:]
        for line in request.lines:
            assert line in given or line == b"Host: " + request.authority
            assert not {10, 13, 0} & set(line)
        kept = [line for line in given if line in request.lines]
        assert [line for line in request.lines if line in given] == kept


def test_whatever_bytes_come_an_answer_is_read_or_refused() -> None:
    chance = random.Random(7230)
    for number in range(10_000):
        head = mutated(ANSWERS, chance) if number % 4 else chance.randbytes(chance.randint(0, 60))
        for to_head in (False, True):
            try:
                answer = parse_response(head, to_head)
            except BadAnswer:
                continue
            assert not {10, 13, 0} & set(b"".join([answer.start, *answer.lines]))
