"""The head of a request that ends at a plugin, as aiohttp is to parse it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.exchange import Exchange

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.rewrite import Rewrite


def plugin_head(exchange: Exchange, rewrite: Rewrite | None, listener: Listener) -> bytes:
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
