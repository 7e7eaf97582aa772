"""The head of a request that ends at a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.exchange import Exchange

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.rewrite import Rewrite


def path_and_query(exchange: Exchange, rewrite: Rewrite | None) -> bytes:
    path = exchange.path if rewrite is None else rewrite(exchange.path, exchange.captures)
    _, mark, query = exchange.request_target.partition(b"?")
    return path + mark + query if mark else path


def plugin_lines(exchange: Exchange, listener: Listener) -> list[bytes]:
    """The fields: as they came, what becomes of the connection, and who forwarded it."""
    lines = exchange.lines.copy()
    if exchange.content_length is None:
        lines.append(b"Transfer-Encoding: chunked")
    if exchange.upgrade is not None:
        listener.last = True
        lines += [b"Connection: Upgrade", b"Upgrade: " + exchange.upgrade]
    elif listener.last:
        lines.append(b"Connection: close")
    elif exchange.minor == 0:
        lines.append(b"Connection: keep-alive")
    lines += listener.client.forwarding(exchange).split(b"\r\n")
    del lines[-2:]
    return lines


def plugin_head(exchange: Exchange, target: bytes, lines: list[bytes]) -> bytes:
    """The whole head, as aiohttp is to parse it."""
    start = b"%b %b HTTP/1.%d" % (exchange.method.encode("ascii"), target, exchange.minor)
    return b"\r\n".join([start, *lines, b"", b""])
