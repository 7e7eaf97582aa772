"""/account/apps: which clients a person has agreed to, and their end (ASVS 5.0 10.4.9)."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from backends.sql import Sql
from plugins.auth.access.scopes import described
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.sessions import Session
from plugins.auth.oauth.consents import Consents
from plugins.auth.pages.rooms import Rooms, day


class Apps:
    def __init__(self, rooms: Rooms, sql: Sql, consents: Consents) -> None:
        self._rooms = rooms
        self._sql = sql
        self._consents = consents

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        self._rooms.pages.place("/account/apps", "Connected applications")
        return [
            web.get("/account/apps", personal(self.page)),
            web.post("/account/apps", personal(self.end)),
        ]

    async def page(self, request: web.Request, account: Account, _: Session) -> web.StreamResponse:
        apps = await self._consents.apps(account.id)
        found = [
            {
                "id": each.client_id,
                "name": each.name,
                "scopes": each.scopes,
                "since": day(each.at),
            }
            for each in apps
        ]
        said = await described(self._sql, {scope for each in apps for scope in each.scopes})
        return self._rooms.pages.render(request, "apps.html", apps=found, described=said)

    async def end(self, request: web.Request, account: Account, _: Session) -> web.StreamResponse:
        form = await self._rooms.form(request)
        await self._consents.take_back(account.id, form.get("client", "")[:32])
        return self._rooms.pages.redirect("/account/apps")
