"""/login and /logout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import AccountError, Unverified, WrongPassword
from plugins.auth.pages.onward import onward
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import NEEDED, OTHER, Rooms, address


class SignIn:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        return [
            web.get("/login", guarded(self.page)),
            web.post("/login", guarded(self.log_in)),
            web.post("/login/passkey", guarded(self.by_passkey)),
            web.post("/login/passkey/options", guarded(self.passkey_options)),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """`fresh=1` asks again although there is a session; `acr=aal2` for a second factor."""
        rooms, acr = self._rooms, request.query.get("acr", "")
        path = onward(request.query.get("continue", ""), rooms.pages.base)
        session = await rooms.sessions.current(request)
        if session is not None and not request.query.get("fresh"):
            if acr != "aal2" or session.acr == "aal2":
                return rooms.pages.redirect(path)
            second = any(await rooms.held(session.account_id))
            return rooms.pages.redirect(("/login/code" if second else NEEDED) + rooms.onward(path))
        hint = request.query.get("login_hint", "")[:254]
        known = None
        same = request.query.get("fresh") != OTHER
        if session is not None and same and path.startswith("/account"):
            known = await rooms.directory.get(session.account_id)
            hint = known.email if known else hint
        values = self._values(path, acr, hint)
        values["fresh"] = "1" if request.query.get("fresh") else ""
        values["known"] = known is not None
        return rooms.pages.render(request, "login.html", **values)

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        path = onward(form.get("continue", ""), rooms.pages.base)
        email, acr = form.get("email", "")[:254], form.get("acr", "")
        try:
            password, where = form.get("password", ""), address(request)
            proved = await rooms.directory.check(email, password, where)
            return await rooms.enter(request, proved.account, ("pwd",), path, acr, proved=proved)
        except AccountError as error:
            values = {**self._values(path, acr, email), "fresh": form.get("fresh", "")}
            return rooms.again(request, "login.html", error, **values)

    async def passkey_options(self, request: web.Request) -> web.StreamResponse:
        """JSON for navigator.credentials.get, which finds an account by itself."""
        rooms = self._rooms
        await rooms.form(request)
        asked = await rooms.passkeys.ask(rooms.holder(request))
        return web.Response(text=asked, content_type="application/json", headers=SAFETY)

    async def by_passkey(self, request: web.Request) -> web.StreamResponse:
        """A passkey that verifies its person is two factors, and asks for no password."""
        rooms, form = self._rooms, await self._rooms.form(request)
        path = onward(form.get("continue", ""), rooms.pages.base)
        answer = form.get("answer", "")
        try:
            account = await self._proved(request, answer)
            passkey = rooms.passkeys.id_of(answer)
            opened = await rooms.entering.by_passkey(request, account.id, passkey)
        except AccountError as error:
            values = self._values(path, form.get("acr", ""))
            wrong = isinstance(error, WrongPassword)
            said = "That passkey does not log in here." if wrong else error
            return rooms.again(request, "login.html", said, **values)
        response = rooms.pages.redirect(path)
        rooms.sessions.hand(response, opened)
        return response

    async def _proved(self, request: web.Request, answer: str) -> Account:
        """Raises AccountError."""
        rooms = self._rooms
        found = await rooms.passkeys.check(rooms.holder(request), answer, address(request))
        account = await rooms.directory.get(found) if found else None
        if account is None or account.disabled:
            raise WrongPassword("no such passkey")
        if rooms.options.verified_email and not account.email_verified:
            raise Unverified("the e-mail address has yet to be confirmed")
        return account

    def _values(self, path: str, acr: str, email: str = "") -> dict[str, Any]:
        return {
            "onward": self._rooms.pages.base + path,
            "acr": acr,
            "email": email,
            "registration": self._rooms.options.registration,
            "providers": self._rooms.social.choices,
            "fresh": "",
            "known": False,
        }
