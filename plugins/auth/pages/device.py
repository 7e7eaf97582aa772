"""/device: a person types the code of a device, sees who asks for what, and says yes or no."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from aiohttp import web

from backends.sql import Sql
from plugins.auth.access.scopes import described
from plugins.auth.accounts.attempts import block_of
from plugins.auth.accounts.errors import LockedOut
from plugins.auth.accounts.sessions import Session
from plugins.auth.device.devices import Asked, Devices, plain
from plugins.auth.oauth.clients import Clients
from plugins.auth.pages.rooms import Rooms, address

FREE_OF_ACCOUNT, FREE_OF_ADDRESS = 10, 50
"""Codes that are nobody's, before there are pauses."""


class DevicePage:
    def __init__(self, rooms: Rooms, sql: Sql, clients: Clients, devices: Devices) -> None:
        self._rooms = rooms
        self._sql = sql
        self._clients = clients
        self._devices = devices

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        return [
            web.get("/device", guarded(self.page)),
            web.post("/device", guarded(self.sent)),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The code of `verification_uri_complete` is filled in, and has to be sent nevertheless."""
        code = _shown(request.query.get("user_code", ""))
        session = await self._rooms.sessions.current(request)
        if session is None or await self._rooms.lacks_factor(session):
            return self._log_in(code)
        return self._rooms.pages.render(request, "device.html", code=code)

    async def sent(self, request: web.Request) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        code = _shown(form.get("user_code", ""))
        session = await rooms.sessions.current(request)
        if session is None or await self._rooms.lacks_factor(session):
            return self._log_in(code)
        try:
            asked = await self._asked(request, session, code)
        except LockedOut as error:
            return rooms.again(request, "device.html", error, code=code)
        if asked is None:
            return self._unknown(request, form.get("user_code", "")[:20])
        if form.get("do") in {"allow", "deny"}:
            return await self._decided(request, session, code, allowed=form["do"] == "allow")
        return await self._confirm(request, code, asked)

    async def _asked(self, request: web.Request, session: Session, code: str) -> Asked | None:
        """Failures are counted before the look-up. Raises LockedOut."""
        attempts = self._rooms.directory.attempts
        subjects = (
            (f"device address {block_of(address(request))}", FREE_OF_ADDRESS),
            (f"device {session.account_id}", FREE_OF_ACCOUNT),
        )
        async with self._sql.write() as connection:
            for subject, free in subjects:
                if wait := await attempts.begin(connection, subject, free):
                    break
        if wait:
            raise LockedOut(wait)
        asked = await self._devices.waiting(code)
        if asked is not None:
            async with self._sql.write() as connection:
                for subject, free in subjects:
                    await attempts.uncount(connection, subject, free)
        return asked

    async def _confirm(self, request: web.Request, code: str, asked: Asked) -> web.StreamResponse:
        client = await self._clients.get(asked.client_id)
        if client is None:
            return self._unknown(request, code)
        return self._rooms.pages.render(
            request,
            "device_confirm.html",
            code=code,
            client=client.name,
            scopes=asked.scopes,
            described=await described(self._sql, asked.scopes),
        )

    async def _decided(
        self, request: web.Request, session: Session, code: str, *, allowed: bool
    ) -> web.StreamResponse:
        if not await self._devices.decide(code, session, allowed=allowed):
            return self._unknown(request, code)
        title, path, label = "Done", "/account", "Your account"
        if allowed:
            return self._rooms.message(
                request,
                title,
                "Your device is logged in. You can go back to it.",
                path=path,
                label=label,
            )
        return self._rooms.message(
            request,
            title,
            "The device was refused, and knows nothing about you.",
            path=path,
            label=label,
        )

    def _unknown(self, request: web.Request, code: str) -> web.StreamResponse:
        response = self._rooms.again(
            request,
            "device.html",
            "That code is not known, or it is too old. Look at your device again.",
            wrong="user_code",
            code=code,
        )
        response.set_status(400)
        return response

    def _log_in(self, code: str) -> web.StreamResponse:
        pages = self._rooms.pages
        path = f"{pages.base}/device" + (f"?user_code={code}" if code else "")
        acr = "&acr=aal2" if self._rooms.options.second_factor else ""
        return pages.redirect(f"/login?continue={quote(path, safe='/')}{acr}")


def _shown(typed: str) -> str:
    letters = plain(typed)[:8]
    return f"{letters[:4]}-{letters[4:]}" if letters else ""
