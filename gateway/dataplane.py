"""What all client connections of a worker share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gateway.config.model import Config
from gateway.forwarding import TrustedProxies
from gateway.wheel import Wheel

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.route import Route
    from gateway.table import Table
    from gateway.telemetry.access_log import AccessLog

LOOK_AGAIN: Final = 0.1
A_MOMENT: Final = 1.0


class DataPlane:
    """The table in force, the limits, and the connections that are open.

    `use` swaps the table whole: a request that began on the old one ends on it. prefix and
    number make request ids: random at start and counted, so unique among all gateways.
    """

    table: Table

    def __init__(
        self, config: Config, loop: asyncio.AbstractEventLoop, access_log: AccessLog
    ) -> None:
        self.loop = loop
        self.wheel = Wheel(loop)
        self.access_log = access_log
        self.trusted_proxies = TrustedProxies(config.server.trusted_proxies)
        self.draining = False
        self.connections: set[Listener] = set()
        self.prefix = f"{os.urandom(8).hex()}-"
        self.number = 0
        self._empty: asyncio.Event | None = None

    def new_request_id(self) -> str:
        self.number += 1
        return f"{self.prefix}{self.number}"

    def use(self, table: Table) -> None:
        """Serve by this table from now on."""
        defaults = table.config.defaults
        self.max_head = defaults.limits.headers
        self.max_connections = defaults.limits.connections
        self.idle_timeout = defaults.timeout.idle
        self.headers_timeout = defaults.timeout.headers
        self.table = table

    def admit(self, listener: Listener) -> bool:
        """Whether one more connection may stay. One that may not is not counted."""
        if len(self.connections) >= self.max_connections:
            return False
        self.connections.add(listener)
        return True

    def forget(self, listener: Listener) -> None:
        self.connections.discard(listener)
        self.wheel.disarm(listener)
        if self._empty is not None and not self.connections:
            self._empty.set()

    def in_flight(self) -> int:
        return sum(listener.exchange is not None for listener in self.connections)

    async def quiet(self, routes: Collection[Route], seconds: float) -> None:
        """Wait until no request is in flight on these routes; `seconds` at most.

        Ever more seldom: after many reloads many of these look at thousands of connections.
        """
        watched = set(map(id, routes))
        until = self.loop.time() + seconds
        pause = LOOK_AGAIN
        while self._serves(watched) and self.loop.time() < until:
            await asyncio.sleep(pause)
            pause = min(2 * pause, A_MOMENT)

    def _serves(self, routes: set[int]) -> bool:
        return any(
            listener.exchange is not None and id(listener.exchange.route) in routes
            for listener in self.connections
        )

    def start_draining(self) -> None:
        """From now on every answer is the last one of its connection."""
        self.draining = True

    async def drain(self, seconds: float) -> None:
        """Let what is in flight end; after `seconds` end it."""
        soon = self.loop.time() + A_MOMENT
        for listener in tuple(self.connections):
            # Those that have but a moment left were answered without a word about the end.
            if listener.exchange is None and not listener.buffer and listener.deadline > soon:
                listener.close(False)
        await self._ended(seconds)
        for listener in tuple(self.connections):
            listener.transport.abort()
        await self._ended(A_MOMENT)

    async def _ended(self, seconds: float) -> None:
        """Wait until no connection is left; `seconds` at most."""
        self._empty = asyncio.Event()
        if self.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
