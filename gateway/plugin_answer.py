"""A plugin's answer as middlewares see it, and the gateway's problems as aiohttp sends them."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from gateway.errors import Problem
from gateway.http1.headers import field_line


class PluginAnswer:
    """A plugin's answer as the response phase sees it."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self.headers = AiohttpHeaders(response)

    @property
    def status(self) -> int:
        return self._response.status

    @status.setter
    def status(self, status: int) -> None:
        self._response.set_status(status)


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
