"""aiohttp's request handler as a plugin's requests pass it, one after the other.

aiohttp's private names that this rests on: `RequestHandler.finish_response`, `handle_error`,
`_handle_request`, `_make_error_handler`, `_messages`, `_parser`, `_manager`, `_task_handler`,
`_close`, `_force_close`; `BaseProtocol._paused`, `_upgraded`; `Request._prepare_hook` and
`BaseRequest._state`, `_task`; `web_protocol._ErrInfo` and `ERROR`. In plugin_answer.py also
`StreamResponse._payload_writer`; whole_answer.py names its own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import ERROR, PayloadAccessError, RequestHandler, _ErrInfo

from gateway import finishing
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.plugin_answer import PluginAnswer, as_aiohttp, not_found
from gateway.whole_answer import whole_answer

if TYPE_CHECKING:
    from gateway.inprocess import Handlers, Site

log = logging.getLogger("gateway.plugin")

# aiohttp closes idle connections by itself; here the listener does.
FOREVER = 10.0**9
SWITCHED = b"HTTP/1.1 101"
# The listener enforces the route's own limit.
NO_LIMIT = 2**62
AFTERWARDS = "the body is read before the answer is sent, or not at all"


class PluginHandler(RequestHandler):
    """aiohttp's request handler, told when to tell the listener that an answer is complete."""

    __slots__ = ("_handlers", "_listener", "_plugin_transport", "_site_name")

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
        self._plugin_transport = PluginTransport(self, handlers)
        self.connection_made(self._plugin_transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Without the task that waits for requests: each that comes has one of its own."""
        BaseProtocol.connection_made(self, transport)
        assert self._manager is not None
        self._manager.connection_made(self, self._plugin_transport)

    @property
    def ended(self) -> bool:
        """It serves no further request."""
        return self._manager is None or self._close or self._force_close

    def take(self, head: bytes) -> None:
        """A whole head of a request; its body comes by `data_received`."""
        self.data_received(head)
        if self._messages:
            message, payload = self._messages.popleft()
            assert self._parser is not None
            self._parser.message_consumed()
            self.take_message(message, payload)

    def take_message(self, message: Any, payload: Any = EMPTY_PAYLOAD) -> None:
        """A request as aiohttp's parser reads it."""
        self._task_handler = self._loop.create_task(self._serve(message, payload))

    async def _serve(self, message: Any, payload: Any) -> None:
        """What `RequestHandler.start` does for a request, in a task and a context of its own."""
        manager, task, goes_on = self._manager, self._task_handler, False
        if manager is None or task is None or self._force_close:
            return
        manager.requests_count += 1
        serve = manager.request_handler
        if isinstance(message, _ErrInfo):
            message, serve = ERROR, self._make_error_handler(message)
        exchange = self._listener.exchange
        plain = exchange is None or not exchange.route.chain.response
        kind = web.Request if plain else GuardedRequest
        writer = StreamWriter(self, self._loop)
        request = kind(message, payload, self, writer, task, self._loop, client_max_size=NO_LIMIT)
        request._state["exchange"] = exchange  # `request[...] =` warns of text
        try:
            answer, reset = await self._handle_request(request, None, serve)
            goes_on = answer.keep_alive is True and not reset and payload.is_eof()
            if payload is not EMPTY_PAYLOAD:
                payload.set_exception(PayloadAccessError(AFTERWARDS))
        except ConnectionError:
            pass  # the client is gone
        except Exception as error:
            log.exception("the request to plugin %s failed", self._site_name, exc_info=error)
        finally:
            request._task = None  # type: ignore[assignment]  # as aiohttp breaks this cycle
            self._task_handler = None
            if not goes_on or self.ended:
                self._close = True
                self._plugin_transport.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException) and resp is _router_s_refusal(request):
            resp = not_found(request, resp)
        try:
            if self._sent_whole(request, resp):
                return resp, False
            finished = await super().finish_response(request, resp, start_time)
        except Exception as error:
            if isinstance(error, ConnectionError) or not self._is_current(request):
                raise
            self._fail(request["exchange"], error)
            raise ConnectionResetError("the answer failed") from error
        if self._is_current(request):
            self._answered(finished[0])
        return finished

    def _sent_whole(self, request: web.BaseRequest, response: web.StreamResponse) -> bool:
        """Whether the answer went out here and now."""
        if not self._is_current(request) or self._paused or self._upgraded or not self.transport:
            return False
        data = whole_answer(request, response, request._state["exchange"])
        if data is None:
            return False
        request._finish()
        self._listener.relay(data)
        self._answered(response)
        return True

    def _answered(self, response: web.StreamResponse) -> None:
        listener = self._listener
        listener.last = listener.last or not response.keep_alive
        self._handlers.answered()

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
        exchange = listener.exchange
        if first and exchange is not None:
            exchange.status = int(data[9:12])  # of the status line
        listener.relay(data)
        if first:
            listener.stream()
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


class GuardedRequest(web.Request):
    """Whose answer passes the response phases of its route."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        await super()._prepare_hook(response)
        exchange: Exchange | None = self._state.get("exchange")
        if exchange is None:
            return
        exchange.status = response.status
        exchange.answer = answer = PluginAnswer(response, exchange.method, exchange.minor)
        exchange.transform = exchange.rewriting = None
        for phase in exchange.route.chain.response:
            phase(exchange)
        if exchange.route.chain.transforms and not answer.fixed:
            await answer.transform(exchange.rewriting, exchange.transform)


def _router_s_refusal(request: web.BaseRequest) -> web.StreamResponse | None:
    return request.match_info.http_exception if isinstance(request, web.Request) else None
