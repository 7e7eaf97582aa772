"""Thins out the access log of a route."""

from __future__ import annotations

from random import random

from gateway.config.model import Section
from gateway.config.units import Ratio
from gateway.exchange import Exchange
from gateway.middleware import Middleware


class RequestLogOptions(Section, frozen=True):
    """sample: the share of requests that get their line. Failures get theirs in any case."""

    sample: Ratio


class RequestLog(Middleware[RequestLogOptions]):
    """Metrics count every request all the same."""

    Options = RequestLogOptions

    def done(self, exchange: Exchange) -> None:
        if exchange.failure is None and exchange.status < 500:
            exchange.logged = random() < self.options.sample  # noqa: S311  no secret
