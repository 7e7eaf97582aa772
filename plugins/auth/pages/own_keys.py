"""/account/keys: the API keys of whoever is logged in."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from plugins.auth.access.rooms import Access
from plugins.auth.access.scopes import EVERYTHING
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.access_errors import Wrong, words
from plugins.auth.pages.rooms import Rooms, day, moment

DAY, CHOICES = 86400, (7, 30, 90, 180, 365)
CHOSEN = "scope."
"""Fields of a form have different names, so each scope's begins with this and holds its own."""


class OwnKeys:
    def __init__(self, rooms: Rooms, access: Access) -> None:
        self._rooms = rooms
        self._access = access
        rooms.pages.place("/account/keys", "API keys")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        return [
            web.get("/account/keys", personal(self.page)),
            web.post("/account/keys", personal(self.revoke)),
            web.get("/account/keys/new", personal(self.new)),
            web.post("/account/keys/new", personal(self.make)),
        ]

    async def page(self, request: web.Request, account: Account, _: Session) -> web.StreamResponse:
        found = await self._access.api_keys.page(owner=account.id, limit=1000)
        keys = [
            {
                "id": each.id,
                "name": each.name,
                "hint": each.hint,
                "scopes": [scope for scope in each.scopes if scope != EVERYTHING],
                "everything": EVERYTHING in each.scopes,
                "until": day(each.expires_at),
                "used": moment(each.used_at) if each.used_at else "",
            }
            for each in sorted(found, key=lambda each: (each.created_at, each.id))
        ]
        most = self._access.options.keys
        return self._rooms.pages.render(request, "keys.html", keys=keys, more=len(keys) < most)

    async def revoke(
        self, request: web.Request, account: Account, _: Session
    ) -> web.StreamResponse:
        form = await self._rooms.form(request)
        await self._access.api_keys.revoke(form.get("key", ""), owner=account.id)
        return self._rooms.pages.redirect("/account/keys")

    async def new(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        """A key lasts longer than a session, so it takes a fresh log-in."""
        asked = await self._rooms.asked_again(request, account, session)
        return asked or await self._form(request)

    async def make(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        form = await self._rooms.form(request)
        if asked := await self._rooms.asked_again(request, account, session):
            return asked
        scopes = [name.removeprefix(CHOSEN) for name in form if name.startswith(CHOSEN)]
        days = form.get("days", "")
        try:
            lifetime = int(days) * DAY if days.isascii() and days.isdigit() else 0
            made, key = await self._access.api_keys.create(
                account.id, form.get("name", ""), scopes, lifetime=lifetime
            )
        except Wrong as error:
            return await self._form(request, words(error), form.get("name", "")[:100])
        return self._rooms.pages.render(
            request, "key.html", key=key, name=made.name, until=day(made.expires_at)
        )

    async def _form(
        self, request: web.Request, error: str = "", name: str = ""
    ) -> web.StreamResponse:
        pages, longest = self._rooms.pages, self._access.options.key_lifetime // DAY
        days = [each for each in CHOICES if each <= longest] or [longest]
        known = await self._access.scopes.page(limit=40)
        return pages.render(
            request,
            "new_key.html",
            status=400 if error else 200,
            error=pages.say(request, error) if error else "",
            name=name,
            days=days,
            scopes=[(CHOSEN + each.name, each.name, each.description) for each in known],
            everything=CHOSEN + EVERYTHING,
        )
