"""/admin/roles and /admin/scopes: names for permissions."""

from __future__ import annotations

from typing import Annotated, Any, Generic

import msgspec
from msgspec import UNSET, UnsetType

from plugins.auth.access.bundles import B, Bundles
from plugins.auth.access.roles import Role, Roles
from plugins.auth.access.scopes import Scope, Scopes
from plugins.auth.admin.operation import Call, Operation, changed, there
from plugins.auth.admin.paging import ByName, Text, next_of

Permission = Annotated[str, msgspec.Meta(max_length=400)]
Permissions = Annotated[list[Permission], msgspec.Meta(max_length=200)]


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
        self._roles = _Bundles("role", roles, Role, RolePage)
        self._scopes = _Bundles("scope", scopes, Scope, ScopePage)

    def operations(self) -> list[Operation]:
        return [*self._roles.operations(), *self._scopes.operations()]


class _Bundles(Generic[B]):
    """of: what one is called. answer: a page of them."""

    def __init__(
        self, of: str, bundles: Bundles[B], made: type[B], answer: type[RolePage | ScopePage]
    ) -> None:
        self._of = of
        self._bundles = bundles
        self._made = made
        self._answer = answer

    def operations(self) -> list[Operation]:
        of, made, all_ = self._of, self._made, f"/admin/{self._of}s"
        one = f"{all_}/{{name}}"
        return [
            Operation("GET", all_, f"List {of}s", self.page, self._answer, query=ByName),
            Operation("POST", all_, f"Make a {of}", self.make, made, Named, status=201),
            Operation("GET", one, f"A {of}", self.get, made),
            Operation("PATCH", one, f"Change a {of}", self.change, made, NamedChange),
            Operation("DELETE", one, f"Delete a {of}; nobody has it any more", self.drop),
        ]

    async def page(self, call: Call) -> RolePage | ScopePage:
        found: list[Any] = await self._bundles.page(after=call.query.cursor, limit=call.query.limit)
        return self._answer(found, next_of(found, "name", call))

    async def get(self, call: Call) -> B:
        found: B = there(await self._bundles.get(call.path["name"]), self._of)
        return found

    async def make(self, call: Call) -> B:
        sent: Named = call.body
        return await self._bundles.create(
            sent.name, sent.permissions, description=sent.description, actor=call.actor.name
        )

    async def change(self, call: Call) -> B:
        name, actor = call.path["name"], call.actor.name
        return await self._bundles.update(name, **changed(call.body), actor=actor)

    async def drop(self, call: Call) -> None:
        there(await self._bundles.delete(call.path["name"], actor=call.actor.name), self._of)
