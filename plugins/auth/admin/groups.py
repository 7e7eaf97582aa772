"""/admin/groups and /admin/grants: who holds roles together, and who holds single permissions."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from plugins.auth.access.grants import Grants, Held
from plugins.auth.access.groups import Group, Groups
from plugins.auth.admin.operation import Call, Operation, changed, there
from plugins.auth.admin.paging import ByName, Limit, Text, next_of
from plugins.auth.admin.roles import Permission

RoleNames = Annotated[list[Text], msgspec.Meta(max_length=100)]


class NewGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    roles: RoleNames = []
    description: Text = ""


class GroupChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is left out stays."""

    roles: RoleNames | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class GroupPage(msgspec.Struct, frozen=True):
    """In the order of names. next: the cursor of the page that follows, if there may be one."""

    groups: list[Group]
    next: str | None


class GroupMembers(msgspec.Struct, frozen=True):
    """Ids of accounts and service accounts, in order."""

    members: list[str]
    next: str | None


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """holder: the id of an account or service account, or the name of a group."""

    kind: Literal["principal", "group"]
    holder: Text
    permission: Permission


class GrantQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["principal", "group"]
    holder: Text
    cursor: Permission = ""
    limit: Limit = 50


class GrantPage(msgspec.Struct, frozen=True):
    """In the order of permissions."""

    grants: list[Held]
    next: str | None


class GroupsApi:
    def __init__(self, groups: Groups, grants: Grants) -> None:
        self._groups = groups
        self._grants = grants

    def operations(self) -> list[Operation]:
        all_, one, grants = "/admin/groups", "/admin/groups/{name}", "/admin/grants"
        members, member = f"{one}/members", f"{one}/members/{{id}}"
        return [
            Operation("GET", all_, "List groups", self.page, GroupPage, query=ByName),
            Operation("POST", all_, "Make a group", self.make, Group, NewGroup, status=201),
            Operation("GET", one, "A group", self.get, Group),
            Operation("PATCH", one, "Change a group", self.change, Group, GroupChange),
            Operation("DELETE", one, "Delete a group", self.drop),
            Operation("GET", members, "Its members", self.members, GroupMembers, query=ByName),
            Operation("PUT", member, "Add a member", self.add),
            Operation("DELETE", member, "Remove a member", self.remove),
            Operation("GET", grants, "What one was granted", self.grants, GrantPage,
                      query=GrantQuery),
            Operation("POST", grants, "Grant a permission", self.give, body=Grant),
            Operation("DELETE", grants, "Take it back", self.take, query=Grant),
        ]  # fmt: skip

    async def page(self, call: Call) -> GroupPage:
        found = await self._groups.page(after=call.query.cursor, limit=call.query.limit)
        return GroupPage(found, next_of(found, "name", call))

    async def get(self, call: Call) -> Group:
        found: Group = there(await self._groups.get(call.path["name"]), "group")
        return found

    async def make(self, call: Call) -> Group:
        sent: NewGroup = call.body
        return await self._groups.create(
            sent.name, sent.roles, description=sent.description, actor=call.actor.name
        )

    async def change(self, call: Call) -> Group:
        name, actor = call.path["name"], call.actor.name
        return await self._groups.update(name, **changed(call.body), actor=actor)

    async def drop(self, call: Call) -> None:
        there(await self._groups.delete(call.path["name"], actor=call.actor.name), "group")

    async def members(self, call: Call) -> GroupMembers:
        name, query = call.path["name"], call.query
        there(await self._groups.get(name), "group")
        found = await self._groups.members(name, after=query.cursor, limit=query.limit)
        return GroupMembers(found, found[-1] if len(found) == query.limit else None)

    async def add(self, call: Call) -> None:
        await self._groups.add(call.path["name"], call.path["id"], actor=call.actor.name)

    async def remove(self, call: Call) -> None:
        name, member = call.path["name"], call.path["id"]
        there(await self._groups.remove(name, member, actor=call.actor.name), "member")

    async def grants(self, call: Call) -> GrantPage:
        query: GrantQuery = call.query
        found = await self._grants.of(
            query.kind, query.holder, after=query.cursor, limit=query.limit
        )
        return GrantPage(found, next_of(found, "permission", call))

    async def give(self, call: Call) -> None:
        sent: Grant = call.body
        await self._grants.give(sent.kind, sent.holder, sent.permission, actor=call.actor.name)

    async def take(self, call: Call) -> None:
        sent: Grant = call.query
        taken = await self._grants.take(
            sent.kind, sent.holder, sent.permission, actor=call.actor.name
        )
        there(taken, "grant")
