"""Answers for a service that is down on purpose."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Annotated

import msgspec

from gateway.config.model import Section
from gateway.config.units import Duration
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.middleware import Middleware
from gateway.middlewares.ip_filter import VERDICTS_KEPT, Networks
from gateway.plugin import Context


class MaintenanceOptions(Section, frozen=True):
    """enabled: `${MAINTENANCE:-false}` and a reload make it a switch.
    message: told to clients as the problem's detail.
    retry_after: when they may come back, sent in whole seconds.
    allow: addresses and networks that pass all the same, say the people who repair it. A client
    on a unix socket has no address and is not among them.
    """

    enabled: bool = True
    message: Annotated[str, msgspec.Meta(min_length=1)] = "This service is down for maintenance."
    retry_after: Annotated[Duration, msgspec.Meta(gt=0)] = 300.0
    allow: list[str] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            Networks(self.allow)
        except ValueError as error:
            raise ValueError(f"allow: {error}") from None


class Maintenance(Middleware[MaintenanceOptions]):
    """503 with Retry-After for everybody who is not let in."""

    Options = MaintenanceOptions

    def __init__(self, options: MaintenanceOptions, context: Context) -> None:
        super().__init__(options, context)
        self._enabled = options.enabled
        self._allow = Networks(options.allow)
        self._allows = lru_cache(VERDICTS_KEPT)(self._judge)
        self._retry_after = str(ceil(options.retry_after))

    def request(self, exchange: Exchange) -> Problem | None:
        if not self._enabled or self._allows(exchange.client_ip):
            return None
        return Problem(503, self.options.message, [("Retry-After", self._retry_after)])

    def _judge(self, client_ip: str) -> bool:
        try:
            address = ip_address(client_ip)
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        return address in self._allow
