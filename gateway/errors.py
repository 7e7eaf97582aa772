"""The error tree, and the one place where an error becomes an answer (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import msgspec

PROBLEM_JSON = "application/problem+json"


class GatewayError(Exception):
    """Whatever the gateway refuses on purpose. The message is fit for an operator's eyes."""


class LoadError(GatewayError):
    """A middleware, plugin or backend that was asked for cannot be had: the start stops."""


class PluginError(GatewayError):
    """A plugin failed to start or to stop."""


class UpstreamError(GatewayError):
    """A target did not answer as HTTP/1.1 asks; `status` is what the client is told."""

    status = 502


class ConnectFailed(UpstreamError):
    """No connection was made, so nothing was sent: always safe to try elsewhere."""


class ConnectionLost(UpstreamError):
    """The connection ended before the answer was whole."""


class UpstreamProtocolError(UpstreamError):
    """The answer is not clean HTTP/1.x. The connection is never used again."""


class UpstreamTimeout(UpstreamError):
    """The target took longer than the route allows."""

    status = 504


class PoolExhausted(UpstreamError):
    """Every connection is busy and the queue for one is full."""

    status = 503


class NoTarget(UpstreamError):
    """No target of the upstream is fit to be asked."""

    status = 503


class Response:
    """An answer made by the gateway itself, not by an upstream or a plugin.

    `headers` are (name, value) pairs, sent in this order. `Content-Length` and `Date` are
    added when it is sent.
    """

    __slots__ = ("body", "close", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        headers: Iterable[tuple[str, str]] = (),
        *,
        close: bool = False,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = list(headers)
        self.close = close

    def render(self, request_id: str) -> bytes:
        """The body; `request_id` is of use to problems only."""
        return self.body

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"


class Problem(Response):
    """A refusal: `application/problem+json` with type, title, status, detail, request_id.

    `detail` is written for the client. It never holds what the client sent.
    """

    __slots__ = ("detail",)

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Iterable[tuple[str, str]] = (),
        *,
        close: bool = False,
    ) -> None:
        super().__init__(status, b"", [("Content-Type", PROBLEM_JSON), *headers], close=close)
        self.detail = detail

    def render(self, request_id: str) -> bytes:
        return msgspec.json.encode(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": self.detail,
                "request_id": request_id,
            }
        )
