"""/device: a person types the code of a device, sees who asks for what, and says yes or no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from aiohttp import web

from backends.sql import Sql
from plugins.auth.access.choosing import Choosing, Settled
from plugins.auth.access.scopes import described
from plugins.auth.accounts.attempts import block_of
from plugins.auth.accounts.errors import LockedOut
from plugins.auth.accounts.sessions import Session
from plugins.auth.device.devices import Asked, Devices, plain
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.pages.rooms import Rooms, address

FREE_OF_ACCOUNT, FREE_OF_ADDRESS = 10, 50
"""Codes that are nobody's, before there are pauses."""


class DevicePage:
    def __init__(
        self, rooms: Rooms, sql: Sql, clients: Clients, devices: Devices, choosing: Choosing
    ) -> None:
        self._rooms = rooms
        self._sql = sql
        self._clients = clients
        self._devices = devices
        self._choosing = choosing

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
        return await self._answered(request, session, code, asked, form)

    async def _answered(
        self,
        request: web.Request,
        session: Session,
        code: str,
        asked: Asked,
        form: Mapping[str, str],
    ) -> web.StreamResponse:
        client = await self._clients.get(asked.client_id)
        if client is None:
            return self._unknown(request, code)
        if form.get("do") == "deny":
            return await self._decided(request, session, code, None)
        chosen, who = form.get("organisation", ""), session.account_id
        try:
            settled = await self._choosing.settled(who, client, asked.scopes, chosen)
        except OAuthError:
            return self._elsewhere(request, code)
        if form.get("do") == "allow" and not settled.among:
            return await self._decided(request, session, code, settled)
        return await self._confirm(request, code, client, settled, missing="do" in form)

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

    async def _confirm(
        self, request: web.Request, code: str, client: Client, settled: Settled, *, missing: bool
    ) -> web.StreamResponse:
        """missing: what it sent had no choice."""
        return self._rooms.pages.render(
            request,
            "device_confirm.html",
            status=400 if missing else 200,
            error=self._rooms.pages.say(request, "Choose an organisation.") if missing else "",
            wrong="organisation" if missing else "",
            code=code,
            client=client.name,
            scopes=settled.scopes,
            among=settled.among,
            described=await described(self._sql, settled.scopes),
        )

    async def _decided(
        self, request: web.Request, session: Session, code: str, settled: Settled | None
    ) -> web.StreamResponse:
        """settled: None when the person refuses."""
        allowed = settled is not None
        scopes = () if settled is None else settled.scopes
        if not await self._devices.decide(code, session, allowed=allowed, scopes=scopes):
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
        return self._rooms.again(
            request,
            "device.html",
            "That code is not known, or it is too old. Look at your device again.",
            status=400,
            wrong="user_code",
            code=code,
        )

    def _elsewhere(self, request: web.Request, code: str) -> web.StreamResponse:
        return self._rooms.again(
            request,
            "device.html",
            "Your device asks for an organisation that you are not a member of.",
            status=403,
            wrong="user_code",
            code=code,
        )

    def _log_in(self, code: str) -> web.StreamResponse:
        pages = self._rooms.pages
        path = f"{pages.base}/device" + (f"?user_code={code}" if code else "")
        acr = "&acr=aal2" if self._rooms.options.second_factor else ""
        return pages.redirect(f"/login?continue={quote(path, safe='/')}{acr}")


def _shown(typed: str) -> str:
    letters = plain(typed)[:8]
    return f"{letters[:4]}-{letters[4:]}" if letters else ""
