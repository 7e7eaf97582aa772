"""/logout: of the person's own, and when a client sends them (RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from plugins.auth.accounts.sessions import Session
from plugins.auth.leaving.wish import NAMES, Wish, Wishes
from plugins.auth.pages.forms import BadForm, check_origin, posted
from plugins.auth.pages.rendering import SAFETY
from plugins.auth.pages.rooms import Rooms

LONGEST = 6000


class Leaving:
    def __init__(self, rooms: Rooms, wishes: Wishes) -> None:
        self._rooms = rooms
        self._wishes = wishes

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        return [
            web.get("/logout", guarded(self.asked)),
            web.post("/logout", guarded(self.sent)),
        ]

    async def asked(self, request: web.Request) -> web.StreamResponse:
        """With an id_token of this very session nobody is asked; otherwise the person is."""
        names = [name for name, _ in request.query.items()]
        if len(names) != len(set(names)):
            return self._refused(request)
        sent = {name: value for name, value in request.query.items() if name in NAMES and value}
        wish = await self._wishes.read(sent)
        if not wish.good:
            return self._refused(request)
        session = await self._rooms.sessions.begun(request)
        if session is None and wish.onward and wish.sub:
            return self._gone(wish)
        if session is not None and _is_of(wish, session):
            return await self._ended(session, wish)
        kept = urlencode({name: sent[name] for name in sent if name != "logout_hint"})
        account = await self._rooms.directory.get(session.account_id) if session else None
        email = account.email if account else ""
        return self._rooms.pages.render(request, "logout.html", wish=kept, email=email)

    async def sent(self, request: web.Request) -> web.StreamResponse:
        """Of our page, or of a client: then as by GET, for which the browser keeps our cookie."""
        rooms, told = self._rooms, await posted(request)
        asked = {name: told[name] for name in NAMES if name in told}
        if asked and "csrf" not in told:
            if len(query := urlencode(asked)) > LONGEST:
                raise BadForm(400, "the request is too long")
            return rooms.pages.redirect(f"/logout?{query}")
        check_origin(request, told, rooms.pages.csrf_cookie)
        wish = await self._wishes.read(dict(parse_qsl(told.get("wish", "")[:LONGEST])))
        return await self._ended(await rooms.sessions.begun(request), wish)

    async def _ended(self, session: Session | None, wish: Wish) -> web.Response:
        if session is not None:
            await self._rooms.sessions.end(session.account_id, session.id)
        response = self._gone(wish)
        self._rooms.sessions.forget(response)
        return response

    def _gone(self, wish: Wish) -> web.Response:
        if not wish.good or not wish.onward:
            return self._rooms.pages.redirect("/login")
        return web.Response(status=303, headers={"Location": wish.onward, **SAFETY})

    def _refused(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "This link does not work",
            "The application that sent you here asks to send you where it is not registered. "
            "Nothing has changed here.",
            path="/logout",
            label="Log out",
            status=400,
        )


def _is_of(wish: Wish, session: Session) -> bool:
    return wish.sub == session.account_id and wish.sid in {"", session.id}
