"""What goes out at once is what aiohttp would have written, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import http_writer, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_writer import HttpVersion10, HttpVersion11, StreamWriter
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.chain import Chain
from gateway.exchange import Exchange
from gateway.whole_answer import IN_ONE_GO, whole_answer

Make = Callable[[], web.StreamResponse]


class Taking(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.taken = b""

    def write(self, data: Any) -> None:
        self.taken += data

    def is_closing(self) -> bool:
        return False


class Own(web.Response):
    """May do anything."""


def closing(**arguments: Any) -> web.Response:
    response = web.Response(**arguments)
    response.force_close()
    return response


def with_cookie() -> web.Response:
    response = web.Response(text="x")
    response.set_cookie("a", "1")
    return response


def chunked() -> web.Response:
    response = web.Response(text="x")
    response.enable_chunked_encoding()
    return response


def compressed() -> web.Response:
    response = web.Response(text="x")
    response.enable_compression()
    return response


WRITTEN: dict[str, Make] = {
    "text": lambda: web.Response(text="café"),
    "json": lambda: web.json_response({"a": [1]}),
    "bytes": lambda: web.Response(body=b"\0\r\n\xff"),
    "nothing": web.Response,
    "no bytes": lambda: web.Response(body=b""),
    "status": lambda: web.Response(status=404, text="no"),
    "reason": lambda: web.Response(status=299, reason="So so", text="yes"),
    "unknown status": lambda: web.Response(status=599),
    "fields": lambda: web.Response(
        body=b"x",
        headers=[("X-A", "1"), ("x-a", "2"), ("server", "mine"), ("date", "then"), ("X-É", "é")],
    ),
    "type": lambda: web.Response(text="x", content_type="text/css", charset="utf-8"),
    "close": lambda: closing(text="x"),
    "largest": lambda: web.Response(body=b"x" * IN_ONE_GO),
}
LEFT: dict[str, Make] = {
    "a class of one's own": lambda: Own(text="x"),
    "an exception": lambda: web.HTTPForbidden(text="x"),
    "a stream": web.StreamResponse,
    "no content": lambda: web.Response(status=204),
    "not modified": lambda: web.Response(status=304),
    "a length": lambda: web.Response(text="x", headers={"Content-Length": "1"}),
    "a coding": lambda: web.Response(text="x", headers={"Transfer-Encoding": "chunked"}),
    "a connection": lambda: web.Response(text="x", headers={"Connection": "close"}),
    "a cookie": with_cookie,
    "chunks": chunked,
    "compression": compressed,
    "a payload": lambda: web.Response(body="x"),
    "a bytearray": lambda: web.Response(body=bytearray(b"x")),
    "large": lambda: web.Response(body=b"x" * (IN_ONE_GO + 1)),
}


def asked(method: str = "GET", minor: int = 1, *lines: tuple[str, str]) -> tuple[Any, Taking]:
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.transport = transport = Taking()
    request = make_mocked_request(
        method,
        "/",
        dict(lines),
        version=HttpVersion11 if minor else HttpVersion10,
        closing=not minor or ("Connection", "close") in lines,
        writer=StreamWriter(protocol, loop),
        app=web.Application(),
    )
    return request, transport


def exchange(**chain: Any) -> Exchange:
    made = Exchange()
    made.method = "GET"
    made.route = cast(Any, SimpleNamespace(chain=Chain(**chain)))
    return made


async def by_aiohttp(make: Make, *lines: tuple[str, str]) -> tuple[bytes, web.StreamResponse]:
    request, transport = asked("GET", 1, *lines)
    response = make()
    await response.prepare(request)
    await response.write_eof()
    return transport.taken, response


PRIVATE = (
    *("_payload_writer", "_eof_sent", "_body", "_chunked", "_compression", "_cookies", "_headers"),
    *("_keep_alive", "_status", "_reason", "_body_length"),
)


async def test_aiohttp_has_the_names_that_we_read_and_set() -> None:
    assert not [name for name in PRIVATE if not hasattr(web.Response(), name)]
    request, _ = asked()
    assert (request._version, request._message.should_close) == (HttpVersion11, False)
    assert request._match_info._apps == [request.app]
    assert http_writer._serialize_headers("HTTP/1.1 200 OK", CIMultiDict()) == (
        b"HTTP/1.1 200 OK\r\n\r\n"
    )


@pytest.mark.parametrize("lines", [(), (("Connection", "close"),)], ids=["goes on", "ends"])
@pytest.mark.parametrize("name", WRITTEN)
async def test_the_bytes_are_aiohttp_s(name: str, lines: tuple[tuple[str, str], ...]) -> None:
    make = WRITTEN[name]
    while True:
        expected, theirs = await by_aiohttp(make, *lines)
        ours = make()
        request, _ = asked("GET", 1, *lines)
        made = exchange()
        seen = whole_answer(request, ours, made)
        if theirs.headers["Date"] == ours.headers["Date"]:  # the same second
            break
    assert seen == expected
    assert made.status == ours.status
    assert (ours.prepared, ours.keep_alive) == (True, theirs.keep_alive)
    assert ours.body_length == theirs.body_length
    assert list(ours.headers.items()) == list(theirs.headers.items())


@pytest.mark.parametrize("name", LEFT)
async def test_aiohttp_writes_what_is_more_than_fields_and_bytes(name: str) -> None:
    response = LEFT[name]()
    before = list(response.headers.items())
    request, _ = asked()
    assert whole_answer(request, response, exchange()) is None
    assert list(response.headers.items()) == before
    assert not response.prepared


@pytest.mark.parametrize(("method", "minor"), [("HEAD", 1), ("GET", 0)])
async def test_aiohttp_answers_head_and_http_1_0(method: str, minor: int) -> None:
    request, _ = asked(method, minor)
    assert whole_answer(request, web.Response(text="x"), exchange()) is None


async def test_aiohttp_answers_where_an_application_wants_to_know() -> None:
    request, _ = asked()

    async def told(request: web.Request, response: web.StreamResponse) -> None: ...

    request.app.on_response_prepare.append(told)
    assert whole_answer(request, web.Response(text="x"), exchange()) is None


async def test_what_was_sent_is_not_sent_again() -> None:
    response = web.Response(text="x")
    request, _ = asked()
    assert whole_answer(request, response, exchange()) is not None
    assert whole_answer(request, response, exchange()) is None


async def test_a_field_that_would_be_two_lines_is_refused_as_aiohttp_refuses_it() -> None:
    response = web.Response(headers={"X-A": "a\r\nX-B: b"})
    request, _ = asked()
    with pytest.raises(ValueError, match="header"):
        whole_answer(request, response, exchange())


async def test_response_phases_see_the_whole_head_and_may_change_it() -> None:
    seen = []

    def phase(exchange: Exchange) -> None:
        seen.append((exchange.answer.length, exchange.answer.headers.get("Content-Length")))
        exchange.answer.headers.set("X-Marked", "yes")
        exchange.answer.status = 203

    request, _ = asked()
    made = exchange(response=(phase,))
    data = whole_answer(request, web.Response(text="abc"), made)
    assert seen == [(3, "3")]
    assert data is not None
    assert data.startswith(b"HTTP/1.1 203 Non-Authoritative Information\r\n")
    assert b"\r\nX-Marked: yes\r\n" in data
    assert made.status == 203


async def test_aiohttp_writes_where_a_middleware_transforms_answers() -> None:
    request, _ = asked()
    assert whole_answer(request, web.Response(text="x"), exchange(transforms=True)) is None
