"""The endpoint that hands a request to a plugin: aiohttp's own handlers, behind the chain.

The listener has read and guarded the request; its bytes are given to an aiohttp
`RequestHandler` of the connection's own, which runs the plugin's application as aiohttp
always does.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from gateway import finishing
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.plugin_handler import NO_LIMIT, PluginHandler
from gateway.plugin_head import path_and_query, plugin_head, plugin_lines
from gateway.plugin_message import plugin_message

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.rewrite import Rewrite


class InProcess:
    """A route's way to a plugin."""

    def __init__(self, site: Site, rewrite: Rewrite | None) -> None:
        self.site = site
        self.rewrite = rewrite

    def begin(self, listener: Listener, exchange: Exchange) -> None:
        if listener.inprocess is None:
            listener.inprocess = Handlers(listener)
        listener.inprocess.begin(self, exchange)


class Site:
    """A started plugin as an aiohttp application."""

    def __init__(self, name: str, routes: list[web.AbstractRouteDef]) -> None:
        self.name = name
        self.application = web.Application(client_max_size=NO_LIMIT)
        self.application.add_routes(routes)
        self._runner = web.AppRunner(self.application, access_log=None)

    @property
    def server(self) -> web.Server:
        assert self._runner.server is not None
        return self._runner.server

    async def start(self) -> None:
        await self._runner.setup()

    async def stop(self) -> None:
        await self._runner.cleanup()


class Handlers:
    """A connection's aiohttp handlers, one for each plugin that it has asked; its peer.

    current: the one that answers the exchange under way.
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._by_site: dict[Site, PluginHandler] = {}
        self.current: PluginHandler | None = None
        self._started = 0.0

    def begin(self, endpoint: InProcess, exchange: Exchange) -> None:
        target = path_and_query(exchange, endpoint.rewrite)
        handler = self._by_site.get(endpoint.site)
        if handler is None or handler.ended:
            handler = self._by_site[endpoint.site] = PluginHandler(endpoint.site, self)
        self.current = handler
        self._started = perf_counter()
        if handler.writing_paused:
            handler.resume_writing()  # the client took the rest of an earlier answer since
        listener = self.listener
        listener.peer = self
        lines = plugin_lines(exchange, listener)
        message = plugin_message(exchange, target, lines, listener.last)
        if message is not None:
            handler.take_message(message)
            return
        handler.take(plugin_head(exchange, target, lines))
        listener.pump()

    def upgraded(self) -> None:
        """The handler has accepted: what the client sends from here on is the handler's."""
        handler, listener = self.current, self.listener
        if handler is not None and listener.exchange is not None:
            listener.exchange.status = 101
            listener.last = True
            listener.raw = handler.data_received
            if listener.buffer:
                early, listener.buffer = listener.buffer, b""
                listener.loop.call_soon(handler.data_received, early)
            listener.go_on()

    def failed(self) -> None:
        """The handler has ended without an answer."""
        self._clock()
        self.current = None
        listener = self.listener
        listener.last = True
        if listener.exchange is not None:
            listener.exchange.failure = "error"
            listener.fail(Problem(500, finishing.FAILED))

    def answered(self) -> None:
        """aiohttp has written the answer; the request's body may still be on its way."""
        self._clock()
        self.current = None
        self.listener.finish()

    def _clock(self) -> None:
        """The handler's time is not the gateway's own."""
        if self.listener.exchange is not None:
            self.listener.exchange.upstream_seconds = perf_counter() - self._started

    def forget(self, handler: PluginHandler) -> None:
        """It has ended, perhaps with its plugin, and the connection goes on without it."""
        for site, each in self._by_site.items():
            if each is handler:
                del self._by_site[site]
                break
        handler.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone. A handler that still runs goes on, as aiohttp has it."""
        for handler in self._by_site.values():
            handler.connection_lost(exc or ConnectionResetError("the client is gone"))
        self._by_site.clear()

    # The listener's peer

    def ready(self) -> bool:
        return self.current is not None

    def body(self, data: bytes) -> None:
        if self.current is not None:
            self.current.data_received(data)

    def end_body(self) -> None:
        """aiohttp has seen it in the framing."""

    def half_close(self) -> None:
        """The client of a WebSocket has gone without a word."""
        self.listener.transport.close()

    def pause(self) -> None:
        if self.current is not None and not self.current.writing_paused:
            self.current.pause_writing()

    def resume(self) -> None:
        if self.current is not None and self.current.writing_paused:
            self.current.resume_writing()

    def cancel(self) -> None:
        """The time is up: the handler's task ends too."""
        self._clock()
        handler, self.current = self.current, None
        task = handler._task_handler if handler is not None else None
        self.connection_lost(None)
        if task is not None:
            task.cancel()
