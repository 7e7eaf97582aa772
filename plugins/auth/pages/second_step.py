"""/login/code: the second factor of a log-in under way, or of a session to be stepped up; and
/login/factor, where those without one are told that they need it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import LockedOut, Overloaded
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.onward import onward
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import WITHOUT, Rooms, address


class SecondStep:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        return [
            web.get("/login/code", guarded(self.page)),
            web.post("/login/code", guarded(self.code)),
            web.post("/login/code/passkey", guarded(self.passkey)),
            web.post("/login/code/options", guarded(self.options)),
            web.get("/login/factor", self._rooms.personal(self.needed)),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        rooms = self._rooms
        path = onward(request.query.get("continue", ""), rooms.pages.base)
        session = await rooms.sessions.begun(request)
        if session is None:
            return rooms.pages.redirect("/login")
        return rooms.pages.render(request, "code.html", **await self._values(session, path))

    async def code(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        path = onward(form.get("continue", ""), rooms.pages.base)
        session = await rooms.sessions.begun(request)
        if session is None:
            return rooms.pages.redirect("/login")
        try:
            how = await rooms.totp.check(
                session.account_id, form.get("code", "")[:50], address(request)
            )
        except (LockedOut, Overloaded) as error:
            values = await self._values(session, path)
            return rooms.again(request, "code.html", error, **values)
        if how is None:
            values = await self._values(session, path)
            return rooms.again(request, "code.html", "Wrong code.", wrong="code", **values)
        return await self._through(request, session, form, path, how)

    async def options(self, request: web.Request) -> web.StreamResponse:
        """JSON for navigator.credentials.get, of the account's own passkeys."""
        rooms = self._rooms
        await rooms.form(request)
        session = await rooms.sessions.begun(request)
        if session is None:
            raise web.HTTPForbidden
        asked = await rooms.passkeys.ask(rooms.holder(request), session.account_id)
        return web.Response(text=asked, content_type="application/json", headers=SAFETY)

    async def passkey(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        path = onward(form.get("continue", ""), rooms.pages.base)
        session = await rooms.sessions.begun(request)
        if session is None:
            return rooms.pages.redirect("/login")
        holder, answer = rooms.holder(request), form.get("answer", "")
        try:
            whose = await rooms.passkeys.check(holder, answer, address(request), session.account_id)
        except LockedOut as error:
            values = await self._values(session, path)
            return rooms.again(request, "code.html", error, **values)
        if whose is None:
            values = await self._values(session, path)
            return rooms.again(request, "code.html", "That passkey does not log in here.", **values)
        return await self._through(request, session, form, path, "hwk")

    async def needed(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        pages = self._rooms.pages
        path = onward(request.query.get("continue", ""), pages.base)
        if session.acr == "aal2":
            return pages.redirect(path)
        back = quote(pages.base + path, safe="/")
        without = f"{pages.base}{path}&{WITHOUT}=1" if path.startswith("/authorize?") else ""
        return pages.render(request, "factor.html", back=back, without=without)

    async def _through(
        self, request: web.Request, session: Session, form: dict[str, str], path: str, how: str
    ) -> web.StreamResponse:
        """The session goes on, unless it has ended meanwhile: by a new password, or by another
        answer to the same question."""
        rooms = self._rooms
        response = rooms.pages.redirect(path)
        account, amr = session.account_id, (*session.amr[:1], how)
        number = await rooms.sessions.begin(request, response, account, amr=amr, onward=True)
        if not number:
            return rooms.pages.redirect("/login")
        if form.get("remember") == "1":
            await rooms.devices.remember(request, response, account, number)
        return response

    async def _values(self, session: Session, path: str) -> dict[str, Any]:
        held = await self._rooms.held(session.account_id)
        return {
            "onward": self._rooms.pages.base + path,
            "app": held.app,
            "passkeys": held.passkeys,
            "days": self._rooms.devices.days,
        }
