"""Who may talk to the admin listener, and how it says no."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from gateway.errors import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOCAL_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))
SAME = frozenset(("same-origin", "none"))

local_names: web.AppKey[frozenset[str]] = web.AppKey("local_names", frozenset)
"""The Host names that are served; not set, all are."""

log = logging.getLogger(__name__)


class Refusal(Exception):
    """Ends a handler with a problem document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error leaves as RFC 9457 asks, whoever raised it."""
    try:
        refuse_strangers(request)
        return await handler(request)
    except Refusal as refusal:
        problem = refusal.problem
    except web.HTTPNotFound:
        problem = Problem(404, "There is nothing here; GET / lists what there is.")
    except web.HTTPMethodNotAllowed as error:
        allow = ", ".join(sorted(error.allowed_methods))
        problem = Problem(405, "This method is not allowed here.", [("Allow", allow)])
    except Exception:
        log.exception("the admin listener failed at %s", request.path)
        problem = Problem(500, "The gateway failed to answer this.")
    body = problem.render(secrets.token_hex(8))
    headers = [("Cache-Control", "no-store"), *problem.headers]
    return web.Response(status=problem.status, body=body, headers=headers)


def refuse_strangers(request: web.Request) -> None:
    """Two things a web page in the operator's browser can do: rebind a name, post a form.

    DNS rebinding makes a page's own name point here, so on loopback only loopback's names
    are served. A form can be posted anywhere, but browsers say where it comes from.
    """
    names = request.app.get(local_names)
    if names is not None and _host(request.host) not in names:
        raise Refusal(Problem(421, "This listener serves loopback names only."))
    if request.method in {"GET", "HEAD"}:
        return
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "none") not in SAME or (
        origin is not None and urlsplit(origin).netloc != request.host
    ):
        raise Refusal(Problem(403, "Requests from other sites are refused."))


def _host(field: str) -> str | None:
    try:
        return urlsplit(f"//{field}").hostname
    except ValueError:
        return None
