"""/account/totp."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import AccountError, Overloaded
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.onward import onward
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import Rooms, address


class OwnApp:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        rooms.pages.place("/account/totp", "Authenticator app")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        return [
            web.get("/account/totp", personal(self.page)),
            web.post("/account/totp", personal(self.change)),
            web.get("/account/totp/qr.svg", personal(self.picture)),
        ]

    async def page(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        back = onward(request.query.get("continue", ""), self._rooms.pages.base)
        return await self._asked_again(request, account, session) or self._rooms.pages.render(
            request, "totp.html", **await self._values(account, back)
        )

    async def picture(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        """404 once it is set up: the secret is shown to nobody again."""
        totp = self._rooms.totp
        if await totp.enabled(account.id):
            raise web.HTTPNotFound
        if again := await self._asked_again(request, account, session):
            return again
        secret = await totp.offer(account.id)
        try:
            drawn = await totp.picture(account, secret, address(request))
        except Overloaded:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"}) from None
        return web.Response(body=drawn, content_type="image/svg+xml", headers=SAFETY)

    async def change(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if again := await self._asked_again(request, account, session):
            return again
        back = onward(form.get("continue", ""), rooms.pages.base)
        code, client = form.get("code", "")[:50], address(request)
        codes: list[str] | None = None
        try:
            if not await rooms.totp.enabled(account.id):
                codes = await rooms.totp.confirm(account, code, client)
            elif await rooms.totp.check(account.id, code, client):
                if form.get("do") == "off":
                    await rooms.totp.off(account, client)
                    await rooms.changes.end_others(account.id, session.id)
                    return rooms.pages.redirect("/account")
                codes = await rooms.totp.renew(account, client)
        except AccountError as error:
            values = await self._values(account, back)
            return rooms.again(request, "totp.html", error, **values)
        if codes is None:
            values = await self._values(account, back)
            return rooms.again(request, "totp.html", "Wrong code.", wrong="code", **values)
        response = rooms.codes(request, codes, back)
        amr = (*(each for each in session.amr if each != "otp"), "otp")
        number = await rooms.sessions.begin(request, response, account.id, amr=amr, onward=True)
        await rooms.changes.end_others(account.id, number or session.id)
        return response

    async def _asked_again(
        self, request: web.Request, account: Account, session: Session
    ) -> web.Response | None:
        """To set one up takes a fresh log-in; to change it, a code of it."""
        if await self._rooms.totp.enabled(account.id):
            return None
        return await self._rooms.asked_again(request, account, session)

    async def _values(self, account: Account, back: str) -> dict[str, Any]:
        totp, onward = self._rooms.totp, self._rooms.pages.base + back
        if await totp.enabled(account.id):
            return {"on": True, "left": await totp.left(account.id), "onward": onward}
        return {"on": False, "secret": await totp.offer(account.id), "onward": onward}
