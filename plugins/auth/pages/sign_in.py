"""/login, /login/code and /logout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from plugins.auth.accounts.errors import AccountError, LockedOut, Overloaded
from plugins.auth.pages.onward import onward
from plugins.auth.pages.rooms import Rooms, address


class SignIn:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        return [
            web.get("/login", guarded(self.page)),
            web.post("/login", guarded(self.log_in)),
            web.get("/login/code", guarded(self.code_page)),
            web.post("/login/code", guarded(self.code)),
            web.get("/logout", guarded(self.leaving)),
            web.post("/logout", guarded(self.log_out)),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """`fresh=1` asks again although there is a session; `acr=aal2` for a second factor."""
        rooms, acr = self._rooms, request.query.get("acr", "")
        path = onward(request.query.get("continue", ""), rooms.pages.base)
        session = await rooms.sessions.current(request)
        if session is not None and not request.query.get("fresh"):
            if acr != "aal2" or session.acr == "aal2":
                return rooms.pages.redirect(path)
            if await rooms.totp.enabled(session.account_id):
                return self._ask_for_code(path)
        return rooms.pages.render(request, "login.html", **self._values(path, acr))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        path = onward(form.get("continue", ""), rooms.pages.base)
        email, acr = form.get("email", "")[:254], form.get("acr", "")
        try:
            account = await rooms.directory.verify(
                email, form.get("password", ""), address(request)
            )
        except AccountError as error:
            values = self._values(path, acr, email)
            return rooms.again(request, "login.html", error, **values)
        if await rooms.totp.enabled(account.id):
            response = self._ask_for_code(path)
            await rooms.sessions.begin(request, response, account.id, amr=("pwd",), waiting=True)
            return response
        response = rooms.pages.redirect(path)
        await rooms.sessions.begin(request, response, account.id, amr=("pwd",))
        return response

    async def code_page(self, request: web.Request) -> web.StreamResponse:
        rooms = self._rooms
        path = onward(request.query.get("continue", ""), rooms.pages.base)
        if not await rooms.sessions.begun(request):
            return rooms.pages.redirect("/login")
        return rooms.pages.render(request, "code.html", onward=rooms.pages.base + path)

    async def code(self, request: web.Request) -> web.StreamResponse:
        """The second factor of a log-in under way, or of a session that is to be stepped up."""
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
            return rooms.again(request, "code.html", error, onward=rooms.pages.base + path)
        if how is None:
            return rooms.again(request, "code.html", "Wrong code.", onward=rooms.pages.base + path)
        response = rooms.pages.redirect(path)
        await rooms.sessions.begin(request, response, session.account_id, amr=("pwd", how))
        return response

    async def leaving(self, request: web.Request) -> web.StreamResponse:
        return self._rooms.pages.render(request, "logout.html")

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        rooms = self._rooms
        await rooms.form(request)
        session = await rooms.sessions.begun(request)
        if session is not None:
            await rooms.sessions.end(session.account_id, session.id)
        response = rooms.pages.redirect("/login")
        rooms.sessions.forget(response)
        return response

    def _ask_for_code(self, path: str) -> web.Response:
        pages = self._rooms.pages
        return pages.redirect(f"/login/code?continue={quote(pages.base + path, safe='/')}")

    def _values(self, path: str, acr: str, email: str = "") -> dict[str, Any]:
        return {
            "onward": self._rooms.pages.base + path,
            "acr": acr,
            "email": email,
            "registration": self._rooms.options.registration,
        }
