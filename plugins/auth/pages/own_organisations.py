"""/account/organisations: those that somebody is a member of, and invitations to others."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from plugins.auth.access.invitations import Invitation
from plugins.auth.access.rooms import Access
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.policy import key_of
from plugins.auth.accounts.sessions import Session
from plugins.auth.pages.access_errors import Wrong, words
from plugins.auth.pages.rooms import OTHER, Rooms

PLACE = "/account/organisations"


class OwnOrganisations:
    def __init__(self, rooms: Rooms, access: Access) -> None:
        self._rooms = rooms
        self._access = access
        rooms.pages.place("/account/organisations", "Your organisations")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        personal = self._rooms.personal
        return [
            web.get(PLACE, personal(self.page)),
            web.post(PLACE, personal(self.create)),
            web.get(f"{PLACE}/join", personal(self.invited)),
            web.post(f"{PLACE}/join", personal(self.answer)),
        ]

    async def page(
        self, request: web.Request, account: Account, _: Session, error: str = ""
    ) -> web.StreamResponse:
        access, pages = self._access, self._rooms.pages
        joined = await access.organisations.of(account.id)
        own = sum(each.owner for each in joined)
        return pages.render(
            request,
            "organisations.html",
            status=400 if error else 200,
            error=pages.say(request, error) if error else "",
            wrong="name" if error else "",
            joined=joined,
            invitations=await self._invitations(account),
            more=own < access.options.organisations,
        )

    async def create(
        self, request: web.Request, account: Account, session: Session
    ) -> web.StreamResponse:
        form = await self._rooms.form(request)
        try:
            made = await self._access.organisations.create(form.get("name", ""), account.id)
        except Wrong as error:
            return await self.page(request, account, session, words(error))
        return self._rooms.pages.redirect(f"{PLACE}/{made.id}")

    async def invited(
        self, request: web.Request, account: Account, _: Session
    ) -> web.StreamResponse:
        """Where the link in the letter leads. Whoever has another address learns nothing."""
        rooms = self._rooms
        found = await self._access.invitations.by_link(request.query.get("token", "")[:100])
        if found is None:
            return rooms.message(
                request,
                "The link does not work",
                "It was used before, or it is too old. Ask for another one.",
                path=PLACE,
                label="Your organisations",
                status=400,
            )
        if key_of(found.email) != key_of(account.email):
            again = rooms.onward(request.path_qs)
            return rooms.message(
                request,
                "This invitation is for somebody else",
                "Log in with the address that was invited.",
                path=f"/login{again}&fresh={OTHER}",
                label="Use another account",
                status=403,
            )
        if not account.email_verified:
            return self._unconfirmed(request)
        return rooms.pages.render(request, "invitation.html", invitation=found, email=account.email)

    async def answer(
        self, request: web.Request, account: Account, _: Session
    ) -> web.StreamResponse:
        rooms, form = self._rooms, await self._rooms.form(request)
        if not account.email_verified:
            return self._unconfirmed(request)
        invitation = form.get("invitation", "")
        if form.get("do") == "decline":
            await self._access.invitations.decline(invitation, account)
            return rooms.pages.redirect(PLACE)
        joined = await self._access.invitations.accept(invitation, account)
        if joined is not None:
            return rooms.pages.redirect(f"{PLACE}/{joined}")
        return rooms.message(
            request,
            "This invitation is not open",
            "It was used before, it was withdrawn, or it is too old.",
            path=PLACE,
            label="Your organisations",
            status=400,
        )

    async def _invitations(self, account: Account) -> list[Invitation]:
        if not account.email_verified:
            return []
        return await self._access.invitations.for_address(account.email)

    def _unconfirmed(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "Confirm your e-mail address",
            "Confirm your e-mail address first: see your mail.",
            path=PLACE,
            label="Your organisations",
            status=403,
        )
