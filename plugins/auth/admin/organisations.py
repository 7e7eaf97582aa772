"""/admin/organisations, their members and invitations."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from plugins.auth.access.invitations import Invitation, Invitations
from plugins.auth.access.organisations import Member, Organisation, Organisations
from plugins.auth.admin.groups import RoleNames
from plugins.auth.admin.operation import Call, Operation, Refusal, changed, there
from plugins.auth.admin.paging import ByName, Text, next_of
from plugins.auth.admin.people import Email, Locale


class NewOrganisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """owner: the id of an account."""

    name: Text
    owner: Text


class OrganisationChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text


class OrganisationPage(msgspec.Struct, frozen=True):
    """In the order of ids. next: the cursor of the page that follows, if there may be one."""

    organisations: list[Organisation]
    next: str | None


class Membership(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a member what is left out stays; a new one is no owner, and has no roles."""

    owner: bool | UnsetType = UNSET
    roles: RoleNames | UnsetType = UNSET


class MemberPage(msgspec.Struct, frozen=True):
    """In the order of accounts' ids."""

    members: list[Member]
    next: str | None


class NewInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    owner: bool = False
    roles: RoleNames = []
    locale: Locale = "en"


class InvitationPage(msgspec.Struct, frozen=True):
    """Those that are open, in the order of ids."""

    invitations: list[Invitation]
    next: str | None


class OrganisationsApi:
    def __init__(self, organisations: Organisations, invitations: Invitations) -> None:
        self._organisations = organisations
        self._invitations = invitations

    def operations(self) -> list[Operation]:
        all_, one = "/admin/organisations", "/admin/organisations/{id}"
        members, member = f"{one}/members", f"{one}/members/{{account}}"
        invitations = f"{one}/invitations"
        return [
            Operation("GET", all_, "List organisations", self.page, OrganisationPage, query=ByName),
            Operation("POST", all_, "Make an organisation", self.make, Organisation,
                      NewOrganisation, status=201),
            Operation("GET", one, "An organisation", self.get, Organisation),
            Operation("PATCH", one, "Rename it", self.rename, Organisation, OrganisationChange),
            Operation("DELETE", one, "Delete it and what is below", self.drop),
            Operation("GET", members, "Its members", self.members, MemberPage, query=ByName),
            Operation("PUT", member, "Add or change a member", self.set_member, Member, Membership),
            Operation("DELETE", member, "Remove a member", self.remove),
            Operation("GET", invitations, "Open invitations", self.invitations, InvitationPage,
                      query=ByName),
            Operation("POST", invitations, "Invite by mail", self.invite, Invitation,
                      NewInvitation, status=201),
            Operation("DELETE", f"{invitations}/{{invitation}}", "Withdraw one", self.withdraw),
        ]  # fmt: skip

    async def page(self, call: Call) -> OrganisationPage:
        found = await self._organisations.page(after=call.query.cursor, limit=call.query.limit)
        return OrganisationPage(found, next_of(found, "id", call))

    async def get(self, call: Call) -> Organisation:
        found: Organisation = there(await self._organisations.get(call.path["id"]), "organisation")
        return found

    async def make(self, call: Call) -> Organisation:
        sent: NewOrganisation = call.body
        return await self._organisations.create(
            sent.name, sent.owner, bounded=False, actor=call.actor.name
        )

    async def rename(self, call: Call) -> Organisation:
        which, actor = call.path["id"], call.actor.name
        return await self._organisations.rename(which, call.body.name, actor=actor)

    async def drop(self, call: Call) -> None:
        gone = await self._organisations.delete(call.path["id"], actor=call.actor.name)
        there(gone, "organisation")

    async def members(self, call: Call) -> MemberPage:
        organisation = await self.get(call)
        found = await self._organisations.members(
            organisation.id, after=call.query.cursor, limit=call.query.limit
        )
        return MemberPage(found, next_of(found, "account_id", call))

    async def set_member(self, call: Call) -> Member:
        which, account, actor = call.path["id"], call.path["account"], call.actor.name
        sent = changed(call.body)
        if not await self._organisations.add(which, account, **sent, actor=actor) and sent:
            await self._organisations.set_member(which, account, **sent, actor=actor)
        found: Member = there(await self._organisations.member(which, account), "member")
        return found

    async def remove(self, call: Call) -> None:
        which, account = call.path["id"], call.path["account"]
        gone = await self._organisations.remove(which, account, actor=call.actor.name)
        there(gone, "member")

    async def invitations(self, call: Call) -> InvitationPage:
        organisation = await self.get(call)
        found = await self._invitations.page(
            organisation.id, after=call.query.cursor, limit=call.query.limit
        )
        return InvitationPage(found, next_of(found, "id", call))

    async def invite(self, call: Call) -> Invitation:
        sent: NewInvitation = call.body
        made = await self._invitations.invite(
            call.path["id"],
            sent.email,
            owner=sent.owner,
            roles=sent.roles,
            locale=sent.locale,
            actor=call.actor.name,
        )
        if made is None:
            raise Refusal(409, "that address has had too many letters; wait a while")
        return made

    async def withdraw(self, call: Call) -> None:
        which, invitation = call.path["id"], call.path["invitation"]
        gone = await self._invitations.withdraw(which, invitation, actor=call.actor.name)
        there(gone, "invitation")
