"""Paths that are not there, and methods that one does not take: a page, or a problem."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from plugins.auth.pages.rooms import Rooms
from plugins.auth.problem import problem

PROGRAMS = frozenset(
    {
        ".well-known",
        "admin",
        "clients",
        "device_authorization",
        "introspect",
        "jwks.json",
        "openapi.json",
        "par",
        "revoke",
        "static",
        "token",
        "userinfo",
    }
)
"""What a path begins with that programs ask: they are never answered by a page."""
JSON = ("application/json", "application/problem+json")


class Nothing:
    """Its routes are the last, for all that no other has."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.route("*", "/{path:.*}", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        allowed = ", ".join(sorted(await _allowed(request)))
        if request.path.split("/")[1] in PROGRAMS or not wants_page(request):
            detail = "That path takes no such method." if allowed else "There is no such path."
            response = problem(request, 405 if allowed else 404, detail, {"Vary": "Accept"})
        else:
            response = self._not_that_way(request) if allowed else self._not_there(request)
            response.headers["Vary"] += ", Accept"
        if allowed:
            response.headers["Allow"] = allowed
        return response

    def _not_there(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "Something went wrong",
            "There is no such page. Its address may be mistyped, or the page is no more.",
            path="/account",
            label="Your account",
            status=404,
        )

    def _not_that_way(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "Something went wrong",
            "This page cannot be asked for in that way. Go back, and try again.",
            path="/account",
            label="Your account",
            status=405,
        )


def wants_page(request: web.Request) -> bool:
    """Whether `Accept` prefers HTML to JSON (RFC 9110 section 12.5.1). Who takes anything is a
    program."""
    weights: dict[str, float] = {}
    for part in request.headers.get("Accept", "")[:1000].split(","):
        kind, *parameters = part.replace(" ", "").lower().split(";")
        weights[kind] = _weight(parameters)
    return weights.get("text/html", 0.0) > max(weights.get(kind, 0.0) for kind in JSON)


def _weight(parameters: list[str]) -> float:
    for each in parameters:
        if each.startswith("q="):
            try:
                return float(each.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0


async def _allowed(request: web.Request) -> set[str]:
    """The methods of what else has the path."""
    found: set[str] = set()
    for resource in request.app.router.resources():
        if resource is not request.match_info.route.resource:
            found |= (await resource.resolve(request))[1]
    return found
