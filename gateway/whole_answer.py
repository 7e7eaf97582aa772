"""A handler's answer that is all there, written in one go and without aiohttp's writer.

aiohttp's private names that this rests on: `StreamResponse._payload_writer`, `_eof_sent`, `_body`,
`_chunked`, `_compression`, `_cookies`, `_headers`, `_keep_alive`, `_status`, `_reason`,
`_body_length`; `BaseRequest._message`, `_version`, `Request._match_info` and its `_apps`;
`http_writer._serialize_headers`.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import hdrs, http_writer, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

from gateway.exchange import Exchange
from gateway.finishing import NO_BODY
from gateway.plugin_answer import PluginAnswer

IN_ONE_GO: Final = 32 * 1024
"""Bytes of a body that are sent without waiting for the client to take them."""

CONNECTION: Final = hdrs.CONNECTION
CONTENT_LENGTH: Final = hdrs.CONTENT_LENGTH
CONTENT_TYPE: Final = hdrs.CONTENT_TYPE
DATE: Final = hdrs.DATE
SERVER: Final = hdrs.SERVER
TRANSFER_ENCODING: Final = hdrs.TRANSFER_ENCODING
BY_DEFAULT: Final = "application/octet-stream"
SOFTWARE: Final = SERVER_SOFTWARE
_serialized: Final[Any] = http_writer._serialize_headers


def whole_answer(request: Any, response: Any, exchange: Exchange) -> bytes | None:
    """What aiohttp would write, and the response is then sent; None when aiohttp is to do it."""
    body = _plain_body(request, response)
    if body is None:
        return None
    chain = exchange.route.chain
    if chain.transforms:
        return None
    headers = response._headers
    if CONTENT_LENGTH in headers or TRANSFER_ENCODING in headers or CONNECTION in headers:
        return None
    keep_alive = response._keep_alive
    if keep_alive is None:
        response._keep_alive = keep_alive = not request._message.should_close
    headers[CONTENT_LENGTH] = str(len(body))
    if body:
        headers.setdefault(CONTENT_TYPE, BY_DEFAULT)
    if DATE not in headers:
        headers[DATE] = rfc822_formatted_time()
    headers.setdefault(SERVER, SOFTWARE)
    if not keep_alive:
        headers[CONNECTION] = "close"
    if chain.response:
        exchange.status = response._status
        exchange.answer = PluginAnswer(response, exchange.method)
        exchange.transform = exchange.rewriting = None
        for phase in chain.response:
            phase(exchange)
    status: int = response._status
    exchange.status = status
    head: bytes = _serialized(f"HTTP/1.1 {status} {response._reason}", headers)
    response._eof_sent = True
    response._body_length = len(head) + len(body)
    return head + body


def _plain_body(request: Any, response: Any) -> bytes | None:
    """The body of a response that is nothing but headers and these bytes."""
    if type(response) is not web.Response or response._eof_sent or response._payload_writer:
        return None
    if response._chunked or response._compression or response._cookies:
        return None
    status: int = response._status
    if status < 200 or status in NO_BODY or request._method == hdrs.METH_HEAD:
        return None
    if request._version != http_writer.HttpVersion11 or _is_signalled(request):
        return None
    body = response._body
    if body is None:
        return b""
    return body if type(body) is bytes and len(body) <= IN_ONE_GO else None


def _is_signalled(request: Any) -> bool:
    """Whether the application wants to know when an answer is prepared, or there is none."""
    match = request._match_info
    return match is None or any(app.on_response_prepare for app in match._apps)
