"""/account/passkeys."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import AccountError
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.onward import onward
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import Rooms, address, day


class OwnPasskeys:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        rooms.pages.place("/account/passkeys", "Passkeys")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        return [
            web.get("/account/passkeys", personal(self.page)),
            web.post("/account/passkeys", personal(self.change)),
            web.post("/account/passkeys/options", personal(self.options)),
        ]

    async def page(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms = self._rooms
        if again := await rooms.asked_again(request, account, session):
            return again
        back = onward(request.query.get("continue", ""), rooms.pages.base)
        return rooms.pages.render(request, "passkeys.html", **await self._values(account, back))

    async def options(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        """JSON for navigator.credentials.create."""
        rooms = self._rooms
        await rooms.form(request)
        if await rooms.asked_again(request, account, session):
            raise web.HTTPForbidden
        asked = await rooms.passkeys.offer(account, rooms.holder(request))
        return web.Response(text=asked, content_type="application/json", headers=SAFETY)

    async def change(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if again := await rooms.asked_again(request, account, session):
            return again
        back = onward(form.get("continue", ""), rooms.pages.base)
        passkey, name = _id(form.get("passkey", "")), form.get("name", "")
        try:
            if form.get("do") == "add":
                return await self._add(request, account, session, form, back)
            if form.get("do") == "rename":
                await rooms.passkeys.rename(account.id, passkey, name)
            elif await rooms.passkeys.remove(account, passkey, address(request)):
                await rooms.changes.end_others(account.id, session.id)
        except AccountError as error:
            values = await self._values(account, back)
            return rooms.again(request, "passkeys.html", error, **values)
        return rooms.pages.redirect("/account/passkeys")

    async def _add(
        self,
        request: web.Request,
        account: Account,
        session: Session,
        form: dict[str, str],
        back: str,
    ) -> web.StreamResponse:
        """The first factor of an account comes with recovery codes."""
        rooms, client = self._rooms, address(request)
        answer, name = form.get("answer", ""), form.get("name", "")
        if not await rooms.passkeys.add(account, rooms.holder(request), answer, name, client):
            values = await self._values(account, back)
            return rooms.again(request, "passkeys.html", "That passkey was not added.", **values)
        codes = []
        if not await rooms.totp.left(account.id):
            codes = await rooms.totp.renew(account, client, letter=False)
        if codes:
            response = rooms.codes(request, codes, back)
        else:
            response = rooms.pages.redirect("/account/passkeys")
        amr = (*(each for each in session.amr if each != "hwk"), "hwk")
        number = await rooms.sessions.begin(request, response, account.id, amr=amr, onward=True)
        await rooms.changes.end_others(account.id, number or session.id)
        return response

    async def _values(self, account: Account, back: str) -> dict[str, Any]:
        listed = [
            {
                "id": base64.urlsafe_b64encode(each.id).decode(),
                "name": each.name,
                "made": day(each.created_at),
                "used": day(each.used_at) if each.used_at else "",
            }
            for each in await self._rooms.passkeys.of_account(account.id)
        ]
        return {
            "passkeys": listed,
            "left": await self._rooms.totp.left(account.id),
            "onward": self._rooms.pages.base + back,
        }


def _id(text: str) -> bytes:
    """Nothing for what is none."""
    try:
        return base64.b64decode(text.encode(), b"-_", validate=True)[:1023]
    except ValueError:
        return b""
