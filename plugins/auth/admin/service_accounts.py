"""/admin/service-accounts and /admin/api-keys."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from plugins.auth.access.api_keys import ApiKeyRecord, ApiKeys
from plugins.auth.access.service_accounts import ServiceAccount, ServiceAccounts
from plugins.auth.admin.groups import RoleNames
from plugins.auth.admin.operation import Call, Operation, changed, there
from plugins.auth.admin.paging import ByName, Limit, Text, next_of

Seconds = Annotated[int, msgspec.Meta(ge=1)]


class NewServiceAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """client_id: of the client whose client_credentials tokens are its own."""

    name: Text
    roles: RoleNames = []
    client_id: Text | None = None


class ServiceAccountChange(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is left out stays."""

    name: Text | UnsetType = UNSET
    roles: RoleNames | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class ServiceAccountPage(msgspec.Struct, frozen=True):
    """In the order of names. next: the cursor of the page that follows, if there may be one."""

    service_accounts: list[ServiceAccount]
    next: str | None


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """owner: the id of an account or service account. lifetime: seconds, else the longest."""

    owner: Text
    name: Text
    scopes: Annotated[list[Text], msgspec.Meta(max_length=100)] = []
    lifetime: Seconds | None = None


class MadeApiKey(msgspec.Struct, frozen=True):
    """secret: the key itself, shown this once."""

    key: ApiKeyRecord
    secret: str


class ApiKeyQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    owner: Text | None = None
    cursor: Text = ""
    limit: Limit = 50


class ApiKeyPage(msgspec.Struct, frozen=True):
    """Those that work, in the order of ids."""

    keys: list[ApiKeyRecord]
    next: str | None


class ServiceAccountsApi:
    def __init__(self, accounts: ServiceAccounts, keys: ApiKeys) -> None:
        self._accounts = accounts
        self._keys = keys

    def operations(self) -> list[Operation]:
        all_, one, keys = (
            "/admin/service-accounts",
            "/admin/service-accounts/{id}",
            "/admin/api-keys",
        )
        return [
            Operation("GET", all_, "List service accounts", self.page, ServiceAccountPage,
                      query=ByName),
            Operation("POST", all_, "Make a service account", self.make, ServiceAccount,
                      NewServiceAccount, status=201),
            Operation("GET", one, "A service account", self.get, ServiceAccount),
            Operation("PATCH", one, "Change a service account", self.change, ServiceAccount,
                      ServiceAccountChange),
            Operation("DELETE", one, "Delete a service account", self.drop),
            Operation("GET", keys, "List API keys", self.keys, ApiKeyPage, query=ApiKeyQuery),
            Operation("POST", keys, "Make a key", self.make_key, MadeApiKey, NewApiKey, status=201),
            Operation("DELETE", f"{keys}/{{id}}", "Revoke a key", self.revoke),
        ]  # fmt: skip

    async def page(self, call: Call) -> ServiceAccountPage:
        found = await self._accounts.page(after=call.query.cursor, limit=call.query.limit)
        return ServiceAccountPage(found, next_of(found, "name", call))

    async def get(self, call: Call) -> ServiceAccount:
        found: ServiceAccount = there(await self._accounts.get(call.path["id"]), "service account")
        return found

    async def make(self, call: Call) -> ServiceAccount:
        sent: NewServiceAccount = call.body
        return await self._accounts.create(
            sent.name, sent.roles, client_id=sent.client_id, actor=call.actor.name
        )

    async def change(self, call: Call) -> ServiceAccount:
        which, actor = call.path["id"], call.actor.name
        return await self._accounts.update(which, **changed(call.body), actor=actor)

    async def drop(self, call: Call) -> None:
        gone = await self._accounts.delete(call.path["id"], actor=call.actor.name)
        there(gone, "service account")

    async def keys(self, call: Call) -> ApiKeyPage:
        query: ApiKeyQuery = call.query
        found = await self._keys.page(owner=query.owner, after=query.cursor, limit=query.limit)
        return ApiKeyPage(found, next_of(found, "id", call))

    async def make_key(self, call: Call) -> MadeApiKey:
        sent: NewApiKey = call.body
        made, secret = await self._keys.create(
            sent.owner, sent.name, sent.scopes, lifetime=sent.lifetime, actor=call.actor.name
        )
        return MadeApiKey(made, secret)

    async def revoke(self, call: Call) -> None:
        there(await self._keys.revoke(call.path["id"], actor=call.actor.name), "key")
