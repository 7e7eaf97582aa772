"""Lowers the number of bytes a request's body may have."""

from __future__ import annotations

from gateway.config.model import Section
from gateway.config.units import Size
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.middleware import Middleware
from gateway.plugin import Context


class BodyLimitOptions(Section, frozen=True):
    """max: bytes. Never raises the limit that was there before."""

    max: Size


class BodyLimit(Middleware[BodyLimitOptions]):
    """413 at once for a body declared too long; one that turns out so is cut off by the body's
    reader, which counts against `exchange.body_limit`.
    """

    Options = BodyLimitOptions

    def __init__(self, options: BodyLimitOptions, context: Context) -> None:
        super().__init__(options, context)
        self._max = options.max

    def request(self, exchange: Exchange) -> Problem | None:
        limit = self._max
        if limit >= exchange.body_limit:
            return None
        exchange.body_limit = limit
        declared = exchange.content_length
        if declared is not None and declared > limit:
            return Problem(413, "The body is larger than this route takes.", close=True)
        return None
