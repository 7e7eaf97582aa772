"""The head of a request as a target gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.exchange import Exchange

if TYPE_CHECKING:
    from gateway.listener import Listener
    from gateway.proxy import Proxy
    from gateway.upstream.target import Target


def request_head(exchange: Exchange, target: Target, proxy: Proxy, listener: Listener) -> bytes:
    """The head for the target: as it came but for the path, and who forwarded it."""
    start = exchange.start
    rewrite = proxy.rewrite
    if rewrite is not None or target.base or not exchange.minor or not exchange.origin_form:
        path = exchange.path if rewrite is None else rewrite(exchange.path, exchange.captures)
        query = exchange.request_target.partition(b"?")
        start = b"%b %b%b%b%b HTTP/1.1" % (
            exchange.method.encode("ascii"),
            target.base,
            path,
            query[1],
            query[2],
        )
    lines = [start, *exchange.lines]
    if not exchange.authority:
        lines.append(b"Host: " + target.authority)
    if exchange.content_length is None:
        lines.append(b"Transfer-Encoding: chunked")
    elif exchange.upgrade is not None:
        lines.append(b"Connection: Upgrade")
        lines.append(b"Upgrade: " + exchange.upgrade)
    if proxy.deadline_header is not None:
        _tell_deadline(lines, proxy.deadline_header, listener)
    lines.append(listener.client.forwarding(exchange))
    return b"\r\n".join(lines)


def _tell_deadline(lines: list[bytes], name: bytes, listener: Listener) -> None:
    """Whole milliseconds until the listener gives up; what the client says of it is dropped."""
    prefix = name.lower()
    lines[1:] = [line for line in lines[1:] if line.partition(b":")[0].lower() != prefix]
    left = max(0.0, listener.deadline - listener.loop.time())
    lines.append(b"%b: %d" % (name, left * 1000))
