"""/account/organisations/ID: members and invitations, for members; changes, for owners."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiohttp import web

from plugins.auth.access.organisations import Member
from plugins.auth.access.rooms import Access
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.access_errors import FLOODED, Wrong, words
from plugins.auth.pages.own_organisations import PLACE
from plugins.auth.pages.rooms import Rooms, day

Deed = Callable[[Account, Member, Mapping[str, str]], Awaitable[str]]
SHOWN = 500
FIELDS = {"invite": "email", "rename": "name"}
DONE = {"invite": "invited", "rename": "saved"}


class OneOrganisation:
    """Whoever is no member is told that there is nothing."""

    def __init__(self, rooms: Rooms, access: Access) -> None:
        self._rooms = rooms
        self._access = access
        self._deeds: Mapping[str, Deed] = {
            "rename": self._rename,
            "invite": self._invite,
            "withdraw": self._withdraw,
            "remove": self._remove,
            "owner": self._owner,
            "member": self._owner,
        }

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        return [
            web.get(PLACE + "/{id:[0-9a-f]{32}}", personal(self.page)),
            web.post(PLACE + "/{id:[0-9a-f]{32}}", personal(self.change)),
        ]

    async def page(
        self,
        request: web.Request,
        account: Account,
        _: Session,
        error: str = "",
        wrong: str = "",
    ) -> web.StreamResponse:
        access, pages = self._access, self._rooms.pages
        here = await access.organisations.member(request.match_info["id"], account.id)
        if here is None:
            return self._nothing(request)
        place = here.organisation
        members = await access.organisations.members(place.id, limit=SHOWN)
        invitations = await access.invitations.page(place.id, limit=SHOWN) if here.owner else []
        return pages.render(
            request,
            "organisation.html",
            status=400 if error else 200,
            error=pages.say(request, error) if error else "",
            wrong=wrong,
            here=here,
            organisation=place,
            members=sorted(members, key=lambda each: (not each.owner, each.email)),
            invitations=[(each, day(each.expires_at)) for each in invitations],
        )

    async def change(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        form = await self._rooms.form(request)
        organisations = self._access.organisations
        here = await organisations.member(request.match_info["id"], account.id)
        do = form.get("do", "")
        if here is None or (do != "leave" and not here.owner):
            return self._nothing(request)
        try:
            if do == "leave":
                await organisations.remove(here.organisation.id, account.id)
                return self._rooms.pages.redirect(PLACE)
            error = await self._deeds[do](account, here, form) if do in self._deeds else ""
        except Wrong as wrong:
            error = words(wrong)
        if error:
            return await self.page(request, account, session, error, FIELDS.get(do, ""))
        return self._rooms.pages.redirect(f"{PLACE}/{here.organisation.id}", DONE.get(do, ""))

    async def _rename(self, account: Account, here: Member, form: Mapping[str, str]) -> str:
        name, actor = form.get("name", ""), _actor(account)
        await self._access.organisations.rename(here.organisation.id, name, actor=actor)
        return ""

    async def _invite(self, account: Account, here: Member, form: Mapping[str, str]) -> str:
        invited = await self._access.invitations.invite(
            here.organisation.id,
            form.get("email", ""),
            owner="owner" in form,
            locale=account.locale,
            by=account.id,
        )
        return FLOODED if invited is None else ""

    async def _withdraw(self, account: Account, here: Member, form: Mapping[str, str]) -> str:
        which = form.get("invitation", "")
        await self._access.invitations.withdraw(here.organisation.id, which, by=account.id)
        return ""

    async def _remove(self, account: Account, here: Member, form: Mapping[str, str]) -> str:
        await self._access.organisations.remove(
            here.organisation.id, form.get("account", ""), actor=_actor(account)
        )
        return ""

    async def _owner(self, account: Account, here: Member, form: Mapping[str, str]) -> str:
        await self._access.organisations.set_member(
            here.organisation.id,
            form.get("account", ""),
            owner=form["do"] == "owner",
            actor=_actor(account),
        )
        return ""

    def _nothing(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "Something went wrong",
            "That is not there any more.",
            path=PLACE,
            label="Your organisations",
            status=404,
        )


def _actor(account: Account) -> str:
    return f"account:{account.id}"
