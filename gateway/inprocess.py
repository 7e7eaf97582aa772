"""The endpoint that hands a request to a plugin: aiohttp's own handlers, behind the chain.

The listener has read and guarded the request; its bytes are given to an aiohttp
`RequestHandler` of the connection's own, which runs the plugin's application as aiohttp
always does. aiohttp's private names that this rests on: `RequestHandler.finish_response`,
`handle_error`, `_request_factory`, `_task_handler`, `_close`, `_force_close`; in
plugin_answer.py also `StreamResponse._payload_writer`, and `BaseRequest._state`.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway import finishing
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.plugin_answer import PluginAnswer, as_aiohttp, not_found

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.rewrite import Rewrite

log = logging.getLogger("gateway.plugin")

# aiohttp closes idle connections by itself; here the listener does.
FOREVER = 10.0**9
SWITCHED = b"HTTP/1.1 101"
# The listener enforces the route's own limit.
NO_LIMIT = 2**62


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
        self.application.on_response_prepare.append(_prepare)
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
        handler = self._by_site.get(endpoint.site)
        if handler is None or handler.ended:
            handler = self._by_site[endpoint.site] = PluginHandler(endpoint.site, self)
        self.current = handler
        self._started = perf_counter()
        if handler.writing_paused:
            handler.resume_writing()  # the client took the rest of an earlier answer since
        listener = self.listener
        listener.peer = self
        handler.data_received(_head(exchange, endpoint.rewrite, listener))
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


class PluginHandler(RequestHandler):
    """aiohttp's request handler, told when to tell the listener that an answer is complete."""

    __slots__ = ("_factory", "_handlers", "_listener", "_site_name")

    def __init__(self, site: Site, handlers: Handlers) -> None:
        server = site.server
        listener = handlers.listener
        super().__init__(
            server,
            loop=listener.loop,
            keepalive_timeout=FOREVER,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own default runner passes it
            max_line_size=listener.plane.max_head,
            max_field_size=listener.plane.max_head,
            max_headers=512,
        )
        self._site_name = site.name
        self._handlers = handlers
        self._listener = listener
        self._factory = server.request_factory
        self._request_factory = self._make_request
        self.connection_made(PluginTransport(self, handlers))

    @property
    def ended(self) -> bool:
        """It serves no further request."""
        return self._task_handler is None or self._close or self._force_close

    def _make_request(self, *parts: Any) -> web.BaseRequest:
        request = self._factory(*parts)
        request._state["exchange"] = self._listener.exchange  # `request[...] =` warns of text
        return request

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if resp is not None and resp is _router_s_refusal(request):
            resp = not_found(request, resp)
        listener = self._listener
        try:
            finished = await super().finish_response(request, resp, start_time)
        except Exception as error:
            if isinstance(error, ConnectionError) or not self._is_current(request):
                raise
            self._fail(request["exchange"], error)
            raise ConnectionResetError("the answer failed") from error
        exchange = listener.exchange
        if exchange is not None and self._is_current(request):
            answer = finished[0]
            exchange.status = answer.status
            listener.last = listener.last or not answer.keep_alive
            self._handlers.answered()
        return finished

    def _is_current(self, request: web.BaseRequest) -> bool:
        """Whether the client still waits for the answer to this request."""
        return self._listener.exchange is not None and (
            request._state.get("exchange") is self._listener.exchange
        )

    def _fail(self, exchange: Exchange, error: BaseException) -> None:
        finishing.blame(exchange, error)
        exchange.failure = "error"
        self._listener.fail(Problem(500, finishing.FAILED))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A handler raised: the trace goes to the log, a problem to the client."""
        exchange = request.get("exchange")
        if isinstance(exc, ConnectionError) and exchange is not self._listener.exchange:
            raise exc  # the client went while the answer was being written
        request_id = exchange.request_id if exchange is not None else "-"
        log.error(
            "a handler of plugin %s failed",
            self._site_name,
            exc_info=exc,
            extra={"request_id": request_id},
        )
        if exchange is not None:
            exchange.failure = "error"
        if request.writer.output_size > 0:
            self._listener.break_off("error")
            raise ConnectionResetError("the answer had begun")
        problem = Problem(status, "The plugin failed to handle this request.")
        return as_aiohttp(problem, request_id)


class PluginTransport(asyncio.Transport):
    """The client's transport as aiohttp sees it: it may write, but not end the connection."""

    def __init__(self, handler: PluginHandler, handlers: Handlers) -> None:
        super().__init__()
        self._handler = handler
        self._handlers = handlers
        self._listener = handlers.listener
        self._transport = handlers.listener.transport

    def write(self, data: Any) -> None:
        listener = self._listener
        if self._handlers.current is not self._handler:
            return  # the exchange is over
        first = not listener.begun
        data = data if isinstance(data, bytes) else bytes(data)
        listener.relay(data)
        if first:
            listener.stream()
            exchange = listener.exchange
            if exchange is not None and exchange.upgrade and data.startswith(SWITCHED):
                self._handlers.upgraded()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """aiohttp is done with the connection. If it owes an answer still, there will be none."""
        if self._handlers.current is self._handler:
            self._handlers.failed()
        self._listener.loop.call_soon(self._handlers.forget, self._handler)

    def abort(self) -> None:
        self._listener.break_off("error")

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._listener.hold()

    def resume_reading(self) -> None:
        self._listener.go_on()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        return False


def _router_s_refusal(request: web.BaseRequest) -> web.StreamResponse | None:
    return request.match_info.http_exception if isinstance(request, web.Request) else None


async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
    exchange: Exchange | None = request._state.get("exchange")
    if exchange is None:
        return
    exchange.status = response.status
    phases = exchange.route.chain.response
    if phases:
        exchange.answer = answer = PluginAnswer(response, exchange.method, exchange.minor)
        exchange.transform = exchange.rewriting = None
        for phase in phases:
            phase(exchange)
        if exchange.route.chain.transforms and not answer.fixed:
            await answer.transform(exchange.rewriting, exchange.transform)


def _head(exchange: Exchange, rewrite: Rewrite | None, listener: Listener) -> bytes:
    """The head as aiohttp is to parse it."""
    path = exchange.path if rewrite is None else rewrite(exchange.path, exchange.captures)
    _, mark, query = exchange.request_target.partition(b"?")
    lines = [
        b"%b %b%b%b HTTP/1.%d"
        % (exchange.method.encode("ascii"), path, mark, query, exchange.minor),
        *exchange.lines,
    ]
    if exchange.content_length is None:
        lines.append(b"Transfer-Encoding: chunked")
    if exchange.upgrade is not None:
        listener.last = True
        lines += [b"Connection: Upgrade", b"Upgrade: " + exchange.upgrade]
    elif listener.last:
        lines.append(b"Connection: close")
    elif exchange.minor == 0:
        lines.append(b"Connection: keep-alive")
    lines.append(listener.client.forwarding(exchange))
    return b"\r\n".join(lines)
