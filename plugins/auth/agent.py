"""What a browser says it is, as it is shown to whom it belongs."""

from __future__ import annotations

from aiohttp import web


def agent_of(request: web.Request) -> str:
    """Its first 200 characters. Bytes that are no UTF-8, which no database takes, are `?`."""
    return request.headers.get("User-Agent", "")[:200].encode(errors="replace").decode()
