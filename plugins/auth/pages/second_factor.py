"""/account/totp."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import AccountError
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import Rooms, address


class SecondFactor:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

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
        return await self._asked_again(account, session) or self._rooms.pages.render(
            request, "totp.html", **await self._values(account)
        )

    async def picture(
        self, _: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        """404 once it is set up: the secret is shown to nobody again."""
        import segno  # noqa: PLC0415 - most workers draw none

        totp = self._rooms.totp
        if await totp.enabled(account.id):
            raise web.HTTPNotFound
        if again := await self._asked_again(account, session):
            return again
        drawn = io.BytesIO()
        uri = totp.uri(account, await totp.offer(account.id))
        segno.make(uri, micro=False).save(drawn, kind="svg", scale=4, border=3, light="white")
        return web.Response(body=drawn.getvalue(), content_type="image/svg+xml", headers=SAFETY)

    async def change(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if again := await self._asked_again(account, session):
            return again
        code, client = form.get("code", "")[:50], address(request)
        codes: list[str] | None = None
        try:
            if not await rooms.totp.enabled(account.id):
                codes = await rooms.totp.confirm(account, code, client)
            elif await rooms.totp.check(account.id, code, client):
                if form.get("do") == "off":
                    await rooms.totp.off(account, client)
                    return rooms.pages.redirect("/account")
                codes = await rooms.totp.renew(account, client)
        except AccountError as error:
            return rooms.again(request, "totp.html", error, **await self._values(account))
        if codes is None:
            values = await self._values(account)
            return rooms.again(request, "totp.html", "Wrong code.", **values)
        await rooms.changes.end_others(account.id, session.id)
        return rooms.pages.render(request, "codes.html", codes=codes)

    async def _asked_again(self, account: Account, session: Session) -> web.Response | None:
        """To set one up takes a fresh log-in (ASVS 5.0 7.5.1); to change it, a code of it."""
        if self._rooms.sessions.recent(session) or await self._rooms.totp.enabled(account.id):
            return None
        pages = self._rooms.pages
        return pages.redirect(f"/login?fresh=1&continue={pages.base}/account/totp")

    async def _values(self, account: Account) -> dict[str, Any]:
        totp = self._rooms.totp
        if await totp.enabled(account.id):
            return {"on": True, "left": await totp.left(account.id)}
        return {"on": False, "secret": await totp.offer(account.id)}
