"""/account/identities: which other providers log in to this account."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from plugins.auth.accounts.account import Account
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.rooms import Rooms, address, day
from plugins.auth.pages.travel import PLACE, Travel
from plugins.auth.social.errors import ProviderError

log = logging.getLogger("gateway.auth.social")


class OwnIdentities:
    """To change anything here takes a fresh log-in (ASVS 5.0 7.5.1)."""

    def __init__(self, rooms: Rooms, travel: Travel) -> None:
        self._rooms = rooms
        self._travel = travel
        if rooms.social.providers:
            rooms.pages.place(PLACE, "Connected identities")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        return [web.get(PLACE, personal(self.page)), web.post(PLACE, personal(self.change))]

    async def page(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        """And what this browser brought from a provider before it logged in."""
        rooms = self._rooms
        if again := await rooms.asked_again(request, account, session):
            return again
        values = await self._values(request, account)
        return rooms.pages.render(request, "identities.html", **values)

    async def change(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        """`provider`: leave for it; `identity`: disconnect; neither: connect what was brought."""
        rooms, form = self._rooms, await self._rooms.form(request)
        if again := await rooms.asked_again(request, account, session):
            return again
        if name := form.get("provider"):
            return await self._leave(request, session, name)
        if identity := form.get("identity"):
            return await self._disconnect(request, account, session, identity)
        taken = await rooms.social.identities.take(self._travel.holder(request))
        if taken is None:
            return self._travel.over(request)
        person, name = taken
        if await rooms.social.identities.connect(account, person, name, address(request)):
            return rooms.pages.redirect(PLACE)
        return self._travel.elsewhere(request)

    async def _leave(self, request: web.Request, session: Session, name: str) -> web.StreamResponse:
        try:
            return await self._travel.leave(request, name, PLACE, session_id=session.id, again=True)
        except ProviderError as error:
            log.warning("connecting with %s: %s", name, error)
            return self._travel.unavailable(request)

    async def _disconnect(
        self, request: web.Request, account: Account, session: Session, identity: str
    ) -> web.StreamResponse:
        """Other sessions end, for they may have begun by it."""
        rooms = self._rooms
        if await rooms.social.identities.disconnect(account, identity, address(request)):
            await rooms.changes.end_others(account.id, session.id)
            return rooms.pages.redirect(PLACE)
        return rooms.message(
            request,
            "Something went wrong",
            "It is the last way to log in to your account. Choose a password first.",
            path="/forgot",
            label="Choose a new password",
            status=409,
        )

    async def _values(self, request: web.Request, account: Account) -> dict[str, Any]:
        social = self._rooms.social
        brought = await social.identities.kept(self._travel.holder(request))
        return {
            "email": account.email,
            "brought": brought and {"label": social.label(brought[1]), "email": brought[0].email},
            "identities": [
                {
                    "id": each.id,
                    "label": social.label(each.provider),
                    "email": each.email,
                    "made": day(each.created_at),
                    "used": day(each.used_at),
                }
                for each in await social.identities.of_account(account.id)
            ],
            "providers": social.choices,
        }
