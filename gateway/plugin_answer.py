"""A plugin's answer as middlewares see it, and the gateway's problems as aiohttp sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter

from gateway.errors import Problem
from gateway.finishing import NO_BODY
from gateway.http1.headers import field_line
from gateway.transforming import PIECE

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from gateway.exchange import BodyTransform

Buffer = bytes | bytearray | memoryview
NOT_TRANSFORMED = (web.FileResponse, web.WebSocketResponse)
"""The kernel sends the one, and the other is no body."""


class PluginAnswer:
    """A plugin's answer as the response phase sees it."""

    def __init__(self, response: web.StreamResponse, method: str = "GET", minor: int = 1) -> None:
        self._response = response
        self._chunks = minor == 1
        self._bodiless = method == "HEAD"
        self.headers = AiohttpHeaders(response)

    @property
    def length(self) -> int | None:
        bodiless = self._bodiless or self._response.status in NO_BODY
        return 0 if bodiless else self._response.content_length

    @property
    def fixed(self) -> bool:
        response = self._response
        if self.length == 0 or isinstance(response, NOT_TRANSFORMED):
            return True
        return not self._chunks and _all_there(response) is None

    @property
    def status(self) -> int:
        return self._response.status

    @status.setter
    def status(self, status: int) -> None:
        self._response.set_status(status)

    async def transform(self, *transforms: BodyTransform | None) -> None:
        """Whole when it is all there; otherwise as the handler writes it."""
        passes = [each for each in transforms if each is not None]
        if not passes:
            return
        response = self._response
        writer = response._payload_writer
        assert isinstance(writer, StreamWriter)
        changed = TransformingWriter(writer, passes)
        body = _all_there(response)
        if body is not None:
            assert isinstance(response, web.Response)
            response.body = whole = await changed.fed(body) + changed.ended()
            writer.length = len(whole)
            response.headers["Content-Length"] = str(len(whole))
            return
        response._payload_writer = changed
        if not writer.chunked:
            writer.length = None
            writer.enable_chunking()
            response.headers.popall("Content-Length", None)
            response.headers["Transfer-Encoding"] = "chunked"


class TransformingWriter(AbstractStreamWriter):
    """Passes what a handler writes through transforms, one after the other."""

    def __init__(self, writer: StreamWriter, passes: list[BodyTransform]) -> None:
        self._writer = writer
        self._passes = passes

    async def fed(self, data: Buffer) -> bytes:
        view = memoryview(data).cast("B")
        out = []
        for at in range(0, len(view), PIECE):
            if at:
                await asyncio.sleep(0)
            piece = bytes(view[at : at + PIECE])
            for each in self._passes:
                piece = each.feed(piece) if piece else b""
            out.append(piece)
        return b"".join(out)

    def ended(self) -> bytes:
        rest = b""
        for each in self._passes:
            rest = (each.feed(rest) if rest else b"") + each.end()
        return rest

    # As aiohttp's responses use it

    async def write(self, chunk: Buffer) -> None:
        out = await self.fed(chunk)
        if out:
            await self._writer.write(out)

    async def write_eof(self, chunk: bytes = b"") -> None:
        await self._writer.write_eof(await self.fed(chunk) + self.ended())
        self.output_size = self._writer.output_size

    async def drain(self) -> None:
        await self._writer.drain()

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        await self._writer.write_headers(status_line, headers)

    def send_headers(self) -> None:
        self._writer.send_headers()

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        self._writer.enable_compression(encoding, strategy)

    def enable_chunking(self) -> None:
        self._writer.enable_chunking()


def _all_there(response: web.StreamResponse) -> bytes | bytearray | None:
    body = response.body if isinstance(response, web.Response) else None
    return body if isinstance(body, bytes | bytearray) else None


class AiohttpHeaders:
    """`Headers` over an aiohttp response."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._fields = response.headers

    def get(self, name: str, default: str | None = None) -> str | None:
        return self._fields.get(name, default)

    def getall(self, name: str) -> list[str]:
        return self._fields.getall(name, [])

    def set(self, name: str, value: str) -> None:
        field_line(name, value)
        self._fields.popall(name, None)
        self._fields.add(name, _as_aiohttp_sends_it(value))

    def add(self, name: str, value: str) -> None:
        field_line(name, value)
        self._fields.add(name, _as_aiohttp_sends_it(value))

    def add_line(self, line: bytes) -> None:
        name, _, value = line.decode("latin-1").partition(":")
        self._fields.add(name, _as_aiohttp_sends_it(value.strip(" \t")))

    def remove(self, name: str) -> None:
        self._fields.popall(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def items(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields.items())


def _as_aiohttp_sends_it(value: str) -> str:
    """aiohttp encodes text as UTF-8; here a field's bytes are carried as Latin-1 text."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def not_found(request: web.BaseRequest, refusal: web.StreamResponse) -> web.StreamResponse:
    """The plugin has no such path, or not that method: said as the gateway says it."""
    allow = refusal.headers.get("Allow")
    detail = "The plugin takes no such method." if allow else "The plugin has no such path."
    problem = Problem(refusal.status, detail, [("Allow", allow)] if allow else [])
    exchange = request.get("exchange")
    return as_aiohttp(problem, exchange.request_id if exchange is not None else "-")


def as_aiohttp(problem: Problem, request_id: str) -> web.Response:
    return web.Response(
        status=problem.status, body=problem.render(request_id), headers=problem.headers
    )
