"""Endpoints that answer by themselves: respond and redirect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.config.model import Redirect, Respond
from gateway.errors import Response
from gateway.exchange import Exchange

if TYPE_CHECKING:
    from gateway.listener import Listener


class Respondent:
    """Answers every request alike."""

    def __init__(self, config: Respond) -> None:
        headers = list(config.headers.items())
        if config.body and "content-type" not in {name.lower() for name, _ in headers}:
            headers.insert(0, ("Content-Type", "text/plain; charset=utf-8"))
        self._response = Response(config.status, config.body.encode(), headers)

    def begin(self, listener: Listener, exchange: Exchange) -> None:
        listener.respond(self._response, exchange.route.chain.response)


class Redirection:
    """Sends the client elsewhere; the query goes along when the new place names none."""

    def __init__(self, config: Redirect, expand: Callable[[tuple[bytes, ...]], str]) -> None:
        self._status = config.status
        self._expand = expand

    def begin(self, listener: Listener, exchange: Exchange) -> None:
        place = self._expand(exchange.captures)
        if exchange.query and "?" not in place:
            place = f"{place}?{exchange.query.decode('ascii')}"
        response = Response(self._status, b"", [("Location", place)])
        listener.respond(response, exchange.route.chain.response)
