"""What is wrong, as programs read it (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from gateway.errors import PROBLEM_JSON, Problem

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def problem(
    request: web.Request, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    more = {"Retry-After": "1"} if status == 503 else {}
    return web.Response(
        body=Problem(status, detail).render(request["exchange"].request_id),
        status=status,
        content_type=PROBLEM_JSON,
        headers={**HEADERS, **more, **(headers or {})},
    )
