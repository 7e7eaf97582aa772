"""/register, /verify, /forgot and /reset: the same answers whether or not there is an account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from plugins.auth.accounts.errors import AccountError
from plugins.auth.pages.forms import BadForm, body
from plugins.auth.pages.onward import HOME, onward
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import Rooms, address, reason


class Newcomer(msgspec.Struct):
    email: str
    password: str
    name: str = ""


class Joining:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        found = [
            web.get("/verify", guarded(self.verify_page)),
            web.post("/verify", guarded(self.verify)),
            web.get("/forgot", guarded(self.forgot_page)),
            web.post("/forgot", guarded(self.forgot)),
            web.get("/reset", guarded(self.reset_page)),
            web.post("/reset", guarded(self.reset)),
        ]
        if self._rooms.options.registration:
            found += [
                web.get("/register", guarded(self.register_page)),
                web.post("/register", self.register),
            ]
        return found

    async def register_page(self, request: web.Request) -> web.StreamResponse:
        asked = request.query.get("continue", "")
        return self._rooms.pages.render(request, "register.html", **self._values("", asked))

    async def register(self, request: web.Request) -> web.StreamResponse:
        if request.content_type == "application/json":
            return await self._register_json(request)
        return await self._rooms.guarded(self._register_form)(request)

    async def _register_form(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        email, asked = form.get("email", "")[:254], form.get("continue", "")
        try:
            await self._register(request, Newcomer(email, form.get("password", "")))
        except AccountError as error:
            return rooms.again(request, "register.html", error, **self._values(email, asked))
        path = onward(asked, rooms.pages.base)
        leads = "" if path == HOME else f"?{urlencode({'continue': rooms.pages.base + path})}"
        return self._look_into_mail(request, "/login" + leads)

    async def _register_json(self, request: web.Request) -> web.StreamResponse:
        """No cookie is read or set, so a page of another site gains nothing by sending it."""
        try:
            newcomer = msgspec.json.decode(await body(request), type=Newcomer)
            if "\0" in newcomer.name:
                raise BadForm(400, "a name has no NUL")
            await self._register(request, newcomer)
        except BadForm as error:
            return web.json_response({"detail": str(error)}, status=error.status, headers=SAFETY)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            detail = "expected a JSON object with email and password"
            return web.json_response({"detail": detail}, status=400, headers=SAFETY)
        except AccountError as error:
            status, text = reason(error)
            return web.json_response({"detail": text}, status=status, headers=SAFETY)
        detail = "We have sent you an e-mail that says what to do next."
        return web.json_response({"detail": detail}, status=202, headers=SAFETY)

    async def _register(self, request: web.Request, newcomer: Newcomer) -> None:
        await self._rooms.directory.register(
            newcomer.email,
            newcomer.password,
            address(request),
            name=newcomer.name,
            locale=self._rooms.pages.language(request),
        )

    async def verify_page(self, request: web.Request) -> web.StreamResponse:
        """A button, for programs that look at mails follow links."""
        token = request.query.get("token", "")[:100]
        return self._rooms.pages.render(request, "verify.html", token=token)

    async def verify(self, request: web.Request) -> web.StreamResponse:
        form = await self._rooms.form(request)
        if await self._rooms.changes.confirm(form.get("token", ""), address(request)):
            return self._done(request, "Your e-mail address is confirmed.")
        return self._not_confirmed(request)

    async def forgot_page(self, request: web.Request) -> web.StreamResponse:
        return self._rooms.pages.render(request, "forgot.html", email="")

    async def forgot(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        email = form.get("email", "")[:254]
        try:
            await rooms.changes.forgot(email, address(request), rooms.pages.language(request))
        except AccountError as error:
            return rooms.again(request, "forgot.html", error, email=email)
        return self._look_into_mail(request)

    async def reset_page(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("token", "")[:100]
        if not await self._rooms.changes.reset_works(token):
            return self._no_link(request)
        return self._rooms.pages.render(request, "reset.html", **self._reset_values(token))

    async def reset(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        token = form.get("token", "")[:100]
        try:
            good = await rooms.changes.reset(token, form.get("password", ""), address(request))
        except AccountError as error:
            return rooms.again(request, "reset.html", error, **self._reset_values(token))
        if not good:
            return self._no_link(request)
        return self._done(request, "Your password is changed. Log in with the new one.")

    def _look_into_mail(self, request: web.Request, path: str = "/login") -> web.Response:
        text = "We have sent you an e-mail that says what to do next."
        return self._rooms.message(request, "Check your e-mail", text, path=path)

    def _done(self, request: web.Request, text: str) -> web.Response:
        return self._rooms.message(request, "Done", text)

    def _not_confirmed(self, request: web.Request) -> web.Response:
        """The page it leads to says whether the address is confirmed, and sends another link."""
        return self._rooms.message(
            request,
            "The link does not work",
            "It was used before, or it is too old. Your account says whether your address is "
            "confirmed, and sends you another one.",
            path="/account",
            label="Your account",
            status=400,
        )

    def _no_link(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "The link does not work",
            "It was used before, or it is too old. Ask for another one.",
            path="/forgot",
            label="Forgot your password?",
            status=400,
        )

    def _reset_values(self, token: str) -> dict[str, Any]:
        return {"token": token, "shortest": self._rooms.options.password_length}

    def _values(self, email: str, asked: str) -> dict[str, Any]:
        """asked: where the log-in is to lead that somebody was about to do."""
        rooms = self._rooms
        return {
            "email": email,
            "shortest": rooms.options.password_length,
            "providers": rooms.social.choices,
            "onward": rooms.pages.base + onward(asked, rooms.pages.base),
            "fresh": "",
            "acr": "",
        }
