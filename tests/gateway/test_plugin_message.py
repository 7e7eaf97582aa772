"""The message made here is the one that aiohttp's parser makes of the same head."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from multidict import istr

from gateway import plugin_message as plugin_messages
from gateway.exchange import Exchange
from gateway.http1.fields import REMEMBERED
from gateway.http1.request import parse_request
from gateway.plugin_head import plugin_head
from gateway.plugin_message import plugin_message

ATTRIBUTES = (
    *("method", "path", "version", "raw_headers", "should_close", "compression"),
    *("upgrade", "chunked", "url"),
)
HOST = b"Host: any.test"
READ_HERE = {
    *(hdrs.HOST, hdrs.CONNECTION, hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING, hdrs.EXPECT),
    *(hdrs.CONTENT_ENCODING, hdrs.SEC_WEBSOCKET_KEY1),
}


def parsed(target: bytes, *lines: bytes, method: bytes = b"GET", minor: int = 1) -> Exchange:
    exchange = Exchange()
    start = b"%b %b HTTP/1.%d" % (method, target, minor)
    parse_request(b"\r\n".join([start, HOST, *lines]), exchange)
    return exchange


def ours(exchange: Exchange, target: bytes, *more: bytes, last: bool = False) -> Any:
    return plugin_message(exchange, target, [*exchange.lines, *more], last)


async def theirs(exchange: Exchange, target: bytes, *more: bytes) -> Any:
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
    [(message, _)], _, _ = parser.feed_data(plugin_head(exchange, target, [*exchange.lines, *more]))
    return message


TARGETS = [
    *(b"/", b"/a/b", b"/?", b"/a?b=c&d", b"/a?b?c", b"/%2F%zz%c3%a9", b"//a//b", b"/a:b", b"/:1"),
    *(b"/;a=b", b"/..//.", b'/a[]{}|\\^`"<>', b"/a" * 300, b"/http://x/?y"),
]
LINES = [
    *(b"User-Agent: x", b"user-agent:x", b"X-A:", b"X-A:  ", b"X-A: \tb \t", b"X-A: a: b, c"),
    *(b"X-\xc3\xa9: no".replace(b"\xc3\xa9", b"e"), b"X-U: caf\xc3\xa9", b"X-L: caf\xe9 \xff"),
    *(b"!#$%&'*+-.^_`|~09az: 1", b"Cookie: a=1; b=2", b"Accept: */*", b"Content-Length: 0"),
    *(b"Content-Type: text/plain", b"Authorization: Bearer " + b"x" * 900, b"X" * 300 + b": long"),
]


@pytest.mark.parametrize("target", TARGETS)
async def test_targets_are_read_as_aiohttp_reads_them(target: bytes) -> None:
    exchange = parsed(target)
    for _ in range(2):  # the second time it is known
        assert_same(ours(exchange, target), await theirs(exchange, target))


@pytest.mark.parametrize("line", LINES)
async def test_fields_are_read_as_aiohttp_reads_them(line: bytes) -> None:
    exchange = parsed(b"/", line)
    for _ in range(2):
        assert_same(ours(exchange, b"/"), await theirs(exchange, b"/"))


async def test_names_that_aiohttp_knows_are_spelled_as_it_spells_them() -> None:
    names = {value for value in vars(hdrs).values() if isinstance(value, istr)} - READ_HERE
    exchange = parsed(b"/", *(b"%b: 1" % name.lower().encode() for name in sorted(names)))
    assert len(exchange.lines) > 50
    assert_same(ours(exchange, b"/"), await theirs(exchange, b"/"))


async def test_repeated_fields_stay_apart_and_in_order() -> None:
    exchange = parsed(b"/", b"X-A: 1", b"X-B: 2", b"x-a: 3", b"Cookie: a", b"Cookie: b")
    assert_same(ours(exchange, b"/"), await theirs(exchange, b"/"))


@pytest.mark.parametrize("method", [b"HEAD", b"POST", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH"])
async def test_other_methods_without_a_body(method: bytes) -> None:
    exchange = parsed(b"/", method=method)
    assert_same(ours(exchange, b"/"), await theirs(exchange, b"/"))


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("last", [False, True])
async def test_what_becomes_of_the_connection(minor: int, last: bool) -> None:
    exchange = parsed(b"/", minor=minor)
    more = [b"Connection: close"] if last else [b"Connection: keep-alive"]
    seen = ours(exchange, b"/", *more, last=last)
    assert_same(seen, await theirs(exchange, b"/", *more))


@pytest.mark.parametrize(
    "exchange",
    [
        parsed(b"/", b"Content-Length: 1"),
        parsed(b"/", b"Transfer-Encoding: chunked"),
        parsed(b"/", b"Connection: upgrade", b"Upgrade: websocket"),
        parsed(b"/", b"Content-Encoding: gzip"),
        parsed(b"/", method=b"PURGE"),
        parsed(b"*", method=b"OPTIONS"),
        parsed(b"/#a"),
        parsed(b"/caf\xc3\xa9"),
    ],
)
def test_what_means_more_to_aiohttp_is_left_to_its_parser(exchange: Exchange) -> None:
    assert ours(exchange, exchange.request_target) is None


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Type: a/b", b"Content-Type: a/b"),
        (b"User-Agent: a", b"USER-AGENT: b"),
        (b"ETag: a", b"ETag: b"),
        (b"Server: a", b"Server: b"),
        (b"Max-Forwards: 1", b"Max-Forwards: 1"),
        (b"Content-Location: /", b"Content-Location: /"),
        (b"Content-Range: bytes */1", b"Content-Range: bytes */1"),
        (b"Sec-WebSocket-Key1: x",),
    ],
)
async def test_what_aiohttp_refuses_is_left_to_it(lines: tuple[bytes, ...]) -> None:
    exchange = parsed(b"/", *lines)
    assert ours(exchange, b"/") is None
    with pytest.raises(HttpProcessingError):
        await theirs(exchange, b"/")


async def test_what_is_remembered_of_clients_is_bounded() -> None:
    for number in range(2 * REMEMBERED):
        target = b"/%d" % number
        exchange = parsed(target, b"X-Number: %d" % number)
        seen = ours(exchange, target, b"X-Request-ID: %d" % number)
    assert_same(seen, await theirs(exchange, target, b"X-Request-ID: %d" % number))
    assert len(plugin_messages._fields) <= REMEMBERED
    assert len(plugin_messages._urls) <= REMEMBERED
    assert not any(b"Request-ID" in line for line in plugin_messages._fields)


def assert_same(seen: Any, expected: Any) -> None:
    for name in ATTRIBUTES:
        assert getattr(seen, name) == getattr(expected, name), name
    assert list(seen.headers.items()) == list(expected.headers.items())
    assert seen.headers == expected.headers
