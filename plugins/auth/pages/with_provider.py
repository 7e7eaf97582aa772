"""/login/with/{provider}, and its callback, where the browser comes back with a code."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from aiohttp import web

from plugins.auth.accounts.errors import LockedOut
from plugins.auth.pages.onward import onward
from plugins.auth.pages.rooms import Rooms, address
from plugins.auth.pages.travel import PLACE, Travel, answered
from plugins.auth.social.errors import Declined, ProviderError, Unreachable
from plugins.auth.social.identities import Kept
from plugins.auth.social.person import Person
from plugins.auth.social.trips import Trip

log = logging.getLogger("gateway.auth.social")


class WithProvider:
    def __init__(self, rooms: Rooms, travel: Travel) -> None:
        self._rooms = rooms
        self._travel = travel

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        return [
            web.post("/login/with/{provider}", guarded(self.leave)),
            web.get("/login/with/{provider}/callback", guarded(self.arrive)),
        ]

    async def leave(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        path = onward(form.get("continue", ""), rooms.pages.base)
        name, again = request.match_info["provider"], bool(form.get("fresh"))
        if form.get("acr") == "aal2":  # which is asked for once there is a session
            path = f"/login{rooms.onward(path)}&acr=aal2"
        try:
            return await self._travel.leave(request, name, path, again=again)
        except ProviderError as error:
            log.warning("log-in with %s: %s", name, error)
            return self._travel.unavailable(request)

    async def arrive(self, request: web.Request) -> web.StreamResponse:
        """Counted as a failure of the address until it is none."""
        rooms, name, client = self._rooms, request.match_info["provider"], address(request)
        if name not in rooms.social.providers:
            raise web.HTTPNotFound
        try:
            await rooms.directory.count_visit(client)
        except LockedOut as error:
            return self._paused(request, error)
        said, holder = answered(request), self._travel.holder(request)
        trip = await rooms.social.trips.arrive(holder, name, said.get("state", ""))
        if trip is None:
            return self._travel.over(request)
        try:
            person = await self._meet(trip, said)
        except (Declined, Unreachable) as error:
            await rooms.directory.uncount_visit(client)
            log.info("log-in with %s: %s", name, error)
            return self._refused(request, error)
        except ProviderError as error:
            log.warning("log-in with %s: %s", name, error)
            await rooms.social.identities.failed(name, client)
            rooms.refused("provider", str(error))
            return self._refused(request, error)
        await rooms.directory.uncount_visit(client)
        if trip.session_id is not None:
            return await self._connect(request, trip, person)
        return await self._enter(request, trip, person, holder)

    async def _meet(self, trip: Trip, said: Mapping[str, str]) -> Person:
        """Raises ProviderError."""
        social = self._rooms.social
        provider = social.providers[trip.provider]
        await provider.check_issuer(said.get("iss"))
        if "error" in said or not said.get("code"):
            raise Declined("it sent the browser back without a code")
        return await provider.meet(social.redirect_uri(trip.provider), trip, said["code"])

    async def _enter(
        self, request: web.Request, trip: Trip, person: Person, holder: str
    ) -> web.StreamResponse:
        rooms = self._rooms
        locale = rooms.pages.language(request)
        entered = await rooms.social.identities.enter(
            person, trip.provider, address(request), locale
        )
        if not isinstance(entered, Kept):
            return await rooms.enter(
                request, entered, ("fed",), trip.onward, auth_time=person.auth_time
            )
        if entered in {Kept.KNOWN, Kept.NOBODY}:
            await rooms.social.identities.keep(holder, person, trip.provider)
        return self._kept(request, entered)

    async def _connect(
        self, request: web.Request, trip: Trip, person: Person
    ) -> web.StreamResponse:
        """To the account of the very session that asked for it."""
        rooms = self._rooms
        session = await rooms.sessions.current(request)
        if session is None or session.id != trip.session_id:
            return self._travel.over(request)
        account = await rooms.directory.get(session.account_id)
        if account is None:
            return self._travel.over(request)
        if await rooms.social.identities.connect(account, person, trip.provider, address(request)):
            return rooms.pages.redirect(PLACE)
        return self._travel.elsewhere(request)

    def _kept(self, request: web.Request, why: Kept) -> web.Response:
        rooms = self._rooms
        found = f"/login?continue={rooms.pages.base}{PLACE}"
        if why is Kept.KNOWN:
            return rooms.message(
                request,
                "One more step",
                "There is an account with this e-mail address. Log in to it, or choose a new "
                "password by mail, to connect them.",
                path=found,
                status=409,
            )
        if why is Kept.NOBODY:
            return rooms.message(
                request,
                "One more step",
                "No account is connected with it yet. Log in to yours first to connect them.",
                path=found,
                status=403,
            )
        if why is Kept.LETTER:
            text = "We have sent you an e-mail that says what to do next."
            return rooms.message(request, "Check your e-mail", text)
        if why is Kept.UNVERIFIED:
            text = "Confirm your e-mail address first: see your mail."
            return rooms.message(request, "Check your e-mail", text, status=403)
        return rooms.message(
            request, "Something went wrong", "This account cannot be used.", status=403
        )

    def _refused(self, request: web.Request, error: ProviderError) -> web.Response:
        if isinstance(error, Unreachable):
            return self._travel.unavailable(request)
        if isinstance(error, Declined):
            return self._rooms.message(
                request,
                "Something went wrong",
                "You did not log in there. You can try again, or log in another way.",
                status=403,
            )
        return self._rooms.message(
            request,
            "Something went wrong",
            "What that page answered cannot be trusted. Log in another way.",
            status=403,
        )

    def _paused(self, request: web.Request, error: LockedOut) -> web.Response:
        text = "Too many failures. Wait a while, or choose a new password by mail."
        response = self._rooms.message(request, "Something went wrong", text, status=429)
        response.headers["Retry-After"] = str(error.retry_after)
        self._rooms.refused("provider", error)
        return response
