"""Browsers on the way to a provider: their cookie, and what the address they come back to said."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from plugins.auth.cookies import cookie_of
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import Rooms
from plugins.auth.social.trips import LASTS

LONGEST = 4096
PLACE = "/account/identities"
ONCE = frozenset({"state", "code", "iss", "error"})


class Travel:
    """The cookie is a secret of this browser's, for trips that begin within ten minutes."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._secure = urlsplit(rooms.social.issuer).scheme == "https"
        self.cookie = "__Host-auth-trip" if self._secure else "auth-trip"

    def holder(self, request: web.Request) -> str:
        """Empty for a browser that never left."""
        return cookie_of(request, self.cookie)

    async def leave(
        self,
        request: web.Request,
        name: str,
        path: str,
        *,
        session_id: str | None = None,
        again: bool = False,
    ) -> web.Response:
        """To the provider. Raises ProviderError, and HTTPNotFound for one that is none."""
        social = self._rooms.social
        provider = social.providers.get(name)
        if provider is None:
            raise web.HTTPNotFound
        holder = self.holder(request) or secrets.token_urlsafe(32)
        trip = await social.trips.leave(holder, name, path, session_id)
        where = await provider.leave(social.redirect_uri(name), trip, again=again)
        response = web.Response(status=303, headers={"Location": where, **SAFETY})
        response.set_cookie(
            self.cookie,
            holder,
            path="/",
            max_age=LASTS,
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )
        return response

    def unavailable(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "Something went wrong",
            "That page does not answer at the moment. Try again in a moment, or log in another "
            "way.",
            status=503,
        )

    def over(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "Something went wrong",
            "This log-in is over, or it began in another browser. Begin again.",
            status=400,
        )

    def elsewhere(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "Something went wrong",
            "It is connected to another account already.",
            path="/account",
            label="Your account",
            status=409,
        )


def answered(request: web.Request) -> Mapping[str, str]:
    """What a provider said in the query; empty if it said something twice, or too much of it."""
    said = {name: request.query.getall(name, []) for name in ONCE}
    fits = all(len(each) <= 1 and len("".join(each)) <= LONGEST for each in said.values())
    return {name: each[0] for name, each in said.items() if each} if fits else {}
