"""/admin/roles and /admin/scopes: names for permissions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from plugins.auth.access.roles import Role, Roles
from plugins.auth.access.scopes import Scope, Scopes
from plugins.auth.admin.operation import Call, Operation, there
from plugins.auth.admin.paging import Limit, Text

Permission = Annotated[str, msgspec.Meta(max_length=400)]
Permissions = Annotated[list[Permission], msgspec.Meta(max_length=200)]


class ByName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """cursor: `next` of the page before."""

    cursor: Text = ""
    limit: Limit = 50


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """permissions: `resource:action`, such as `documents/**:read`."""

    name: Text
    permissions: Permissions = []
    description: Text = ""


class NamedChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is left out stays."""

    permissions: Permissions | UnsetType = UNSET
    description: Text | UnsetType = UNSET


class RolePage(msgspec.Struct, frozen=True):
    """In the order of names. next: the cursor of the page that follows, if there may be one."""

    roles: list[Role]
    next: str | None


class ScopePage(msgspec.Struct, frozen=True):
    """In the order of names. next: the cursor of the page that follows, if there may be one."""

    scopes: list[Scope]
    next: str | None


class RolesApi:
    def __init__(self, roles: Roles, scopes: Scopes) -> None:
        self._roles = roles
        self._scopes = scopes

    def operations(self) -> list[Operation]:
        role, scope = "/admin/roles/{name}", "/admin/scopes/{name}"
        return [
            Operation("GET", "/admin/roles", "List roles", self.roles, RolePage, query=ByName),
            Operation("POST", "/admin/roles", "Make a role", self.make, Role, Named, status=201),
            Operation("GET", role, "A role", self.role, Role),
            Operation("PATCH", role, "Change a role", self.change, Role, NamedChange),
            Operation("DELETE", role, "Delete a role; nobody holds it any more", self.drop),
            Operation("GET", "/admin/scopes", "List scopes", self.scopes, ScopePage, query=ByName),
            Operation(
                "POST", "/admin/scopes", "Make a scope", self.make_scope, Scope, Named, status=201
            ),
            Operation("GET", scope, "A scope", self.scope, Scope),
            Operation("PATCH", scope, "Change a scope", self.change_scope, Scope, NamedChange),
            Operation("DELETE", scope, "Delete a scope", self.drop_scope),
        ]

    async def roles(self, call: Call) -> RolePage:
        found = await self._roles.page(after=call.query.cursor, limit=call.query.limit)
        return RolePage(found, next_of(found, "name", call))

    async def role(self, call: Call) -> Role:
        found: Role = there(await self._roles.get(call.path["name"]), "role")
        return found

    async def make(self, call: Call) -> Role:
        sent: Named = call.body
        return await self._roles.create(
            sent.name, sent.permissions, description=sent.description, actor=call.actor.name
        )

    async def change(self, call: Call) -> Role:
        name, actor = call.path["name"], call.actor.name
        return await self._roles.update(name, **changed(call.body), actor=actor)

    async def drop(self, call: Call) -> None:
        there(await self._roles.delete(call.path["name"], actor=call.actor.name), "role")

    async def scopes(self, call: Call) -> ScopePage:
        found = await self._scopes.page(after=call.query.cursor, limit=call.query.limit)
        return ScopePage(found, next_of(found, "name", call))

    async def scope(self, call: Call) -> Scope:
        found: Scope = there(await self._scopes.get(call.path["name"]), "scope")
        return found

    async def make_scope(self, call: Call) -> Scope:
        sent: Named = call.body
        return await self._scopes.create(
            sent.name, sent.permissions, description=sent.description, actor=call.actor.name
        )

    async def change_scope(self, call: Call) -> Scope:
        name, actor = call.path["name"], call.actor.name
        return await self._scopes.update(name, **changed(call.body), actor=actor)

    async def drop_scope(self, call: Call) -> None:
        there(await self._scopes.delete(call.path["name"], actor=call.actor.name), "scope")


def changed(sent: msgspec.Struct) -> dict[str, Any]:
    """What was sent of it."""
    found = {name: getattr(sent, name) for name in sent.__struct_fields__}
    return {name: value for name, value in found.items() if value is not UNSET}


def next_of(found: list[Any], field: str, call: Call) -> str | None:
    """The cursor of the page after this one."""
    return getattr(found[-1], field) if found and len(found) == call.query.limit else None
