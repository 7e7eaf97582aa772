"""/account: what people see and change about themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import AccountError, WrongCurrent, WrongPassword
from plugins.auth.accounts.sessions import Session
from plugins.auth.factors.devices import Device
from plugins.auth.pages.browsers import browser_of
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import Rooms, address, moment


class OwnAccount:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        rooms.pages.place("/account", "Your account")
        rooms.pages.place("/account/password", "Password")
        rooms.pages.place("/account/email", "E-mail")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        return [
            web.get("/", self.first),
            web.get("/account", personal(self.page)),
            web.post("/account", personal(self.save)),
            web.get("/account/confirm", personal(self.listed)),
            web.post("/account/confirm", personal(self.confirm)),
            web.get("/account/password", personal(self.password_page)),
            web.post("/account/password", personal(self.password)),
            web.get("/account/email", personal(self.email_page)),
            web.post("/account/email", personal(self.email)),
            web.get("/account/sessions", personal(self.listed)),
            web.post("/account/sessions", personal(self.end_sessions)),
            web.get("/account/devices", personal(self.listed)),
            web.post("/account/devices", personal(self.forget_device)),
            web.get("/account/export", personal(self.export)),
            web.get("/account/close", personal(self.close_page)),
            web.post("/account/close", personal(self.close)),
        ]

    async def first(self, _request: web.Request) -> web.StreamResponse:
        """The issuer's own address leads there too."""
        return self._rooms.pages.redirect("/account")

    async def page(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms = self._rooms
        living = await rooms.sessions.of_account(account.id)
        devices = await rooms.devices.of_account(account.id)
        return rooms.pages.render(
            request,
            "account.html",
            account=account,
            sessions=[_seen(each, each.seen_at) for each in living],
            here=session.id,
            devices=[_seen(each, each.used_at) for each in devices],
            held=await rooms.held(account.id),
        )

    async def save(self, request: web.Request, account: Account, _: Session) -> web.StreamResponse:
        form = await self._rooms.form(request)
        locale = "es" if form.get("locale") == "es" else "en"
        await self._rooms.changes.set_profile(account.id, form.get("name", ""), locale)
        return self._rooms.pages.redirect("/account", said="saved")

    async def password_page(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        if again := await self._unproved(request, account, session):
            return again
        return self._rooms.pages.render(request, "password.html", **await self._values(account))

    async def password(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if again := await self._unproved(request, account, session):
            return again
        try:
            await self._prove(request, account, form)
            if form.get("do") == "remove":
                return await self._remove_password(request, account, session)
            await rooms.changes.set_password(
                account, session, form.get("password", ""), address(request)
            )
        except AccountError as error:
            last = isinstance(error, WrongCurrent) and form.get("do") == "remove"
            values = await self._values(account)
            return rooms.again(
                request, "password.html", error, wrong="last" if last else "", **values
            )
        return rooms.message(request, "Done", "Saved.", path="/account", label="Your account")

    async def email_page(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        return await self._unproved(request, account, session) or self._rooms.pages.render(
            request, "email.html", email="", account=account
        )

    async def email(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if again := await self._unproved(request, account, session):
            return again
        email = form.get("email", "")[:254]
        try:
            await self._prove(request, account, form)
            await rooms.changes.ask_for_email(account, email, address(request))
        except AccountError as error:
            return rooms.again(request, "email.html", error, email=email, account=account)
        text = "We have sent you an e-mail that says what to do next."
        return rooms.message(
            request, "Check your e-mail", text, path="/account", label="Your account"
        )

    async def confirm(
        self, request: web.Request, account: Account, _: Session
    ) -> web.StreamResponse:
        """The link to confirm the address once more."""
        await self._rooms.changes.ask_to_confirm(account)
        return self._rooms.message(
            request,
            "Check your e-mail",
            "We have sent you an e-mail that says what to do next.",
            path="/account",
            label="Your account",
        )

    async def listed(self, _request: web.Request, _: Account, __: Session) -> web.StreamResponse:
        """On the first page; who had to log in before a button was heeded comes here."""
        return self._rooms.pages.redirect("/account")

    async def end_sessions(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if not rooms.sessions.recent(session) and (
            again := await rooms.asked_again(request, account, session)
        ):
            return again
        which = form.get("session", "")
        if which == "others":
            await rooms.changes.end_others(account.id, session.id)
        else:
            await rooms.sessions.end(account.id, which)
        return rooms.pages.redirect("/account")

    async def forget_device(
        self, request: web.Request, account: Account, _: Session
    ) -> web.StreamResponse:
        form = await self._rooms.form(request)
        await self._rooms.devices.forget(account.id, form.get("device", ""))
        return self._rooms.pages.redirect("/account")

    async def export(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        if again := await self._rooms.asked_again(request, account, session):
            return again
        found = orjson.dumps(
            await self._rooms.changes.exported(account), option=orjson.OPT_INDENT_2
        )
        headers = {**SAFETY, "Content-Disposition": 'attachment; filename="account.json"'}
        return web.Response(body=found, content_type="application/json", headers=headers)

    async def close_page(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        return await self._unproved(request, account, session) or self._rooms.pages.render(
            request, "close.html", account=account
        )

    async def close(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if again := await self._unproved(request, account, session):
            return again
        try:
            await self._prove(request, account, form)
            await rooms.changes.close(account.id, address(request))
        except AccountError as error:
            return rooms.again(request, "close.html", error, account=account)
        response = rooms.message(request, "Done", "Your account is closed.")
        rooms.sessions.forget(response)
        return response

    async def _prove(self, request: web.Request, account: Account, form: dict[str, str]) -> None:
        """By the password there is now (ASVS 5.0 6.2.3, 7.5.1). Raises AccountError."""
        if account.has_password:
            current = form.get("current", "")
            try:
                await self._rooms.directory.verify(account.email, current, address(request))
            except WrongPassword as error:
                raise WrongCurrent(str(error)) from None

    async def _unproved(
        self, request: web.Request, account: Account, session: Session
    ) -> web.Response | None:
        """Who has no password proves who they are by logging in again, and who has a second factor
        by that as well, which a remembered device was not asked for (ASVS 5.0 7.5.1)."""
        if account.has_password and not (
            session.acr == "aal1" and any(await self._rooms.held(account.id))
        ):
            return None
        return await self._rooms.asked_again(request, account, session)

    async def _remove_password(
        self, request: web.Request, account: Account, session: Session
    ) -> web.Response:
        rooms = self._rooms
        if not await rooms.changes.remove_password(account, session, address(request)):
            values = await self._values(account)
            return rooms.again(request, "password.html", "Add a passkey first.", **values)
        return rooms.message(request, "Done", "Saved.", path="/account", label="Your account")

    async def _values(self, account: Account) -> dict[str, Any]:
        return {
            "account": account,
            "shortest": self._rooms.options.password_length,
            "passkeys": (await self._rooms.held(account.id)).passkeys,
        }


def _seen(each: Session | Device, at: int) -> dict[str, str]:
    """A browser, as the page lists it."""
    agent = browser_of(each.agent)
    return {"id": each.id, "agent": agent, "address": each.address, "seen": moment(at)}
