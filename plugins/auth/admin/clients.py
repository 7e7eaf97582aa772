"""/admin/clients: programs that are known to the server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from plugins.auth.admin.operation import Call, Operation, changed, there
from plugins.auth.admin.paging import Limit, Text, cursor_of, read
from plugins.auth.oauth.client_changes import ClientChanges
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.registration.members import OperatorsMembers, Rules

Method = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Scope = Annotated[str, msgspec.Meta(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]{1,100}$")]
Scopes = Annotated[list[Scope], msgspec.Meta(max_length=100)]
Uri = Annotated[str, msgspec.Meta(max_length=2000)]
Uris = Annotated[list[Uri], msgspec.Meta(max_length=20)]
Words = Annotated[list[Annotated[str, msgspec.Meta(max_length=100)]], msgspec.Meta(max_length=20)]
Audience = Annotated[str, msgspec.Meta(max_length=1000)]


class ClientLine(msgspec.Struct, frozen=True):
    """created_at: UTC seconds since 1970. metadata: what else RFC 7591 names."""

    client_id: str
    client_name: str
    token_endpoint_auth_method: str
    grant_types: list[str]
    scopes: list[str]
    redirect_uris: list[str]
    first_party: bool
    introspector: bool
    audience: str
    metadata: dict[str, Any]
    created_at: int


class ClientLines(msgspec.Struct, frozen=True):
    """The newest first. next: the cursor of the page that follows, if there may be one."""

    clients: list[ClientLine]
    next: str | None


class NewClient(OperatorsMembers, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """grant_types and scopes: left out, those of a log-in if there are redirect_uris, else
    client_credentials. organisation: the id of the one that its tokens are about."""

    client_name: Name
    token_endpoint_auth_method: Method = "client_secret_basic"  # noqa: S105 - a method's name
    grant_types: Words = msgspec.field(default_factory=list)
    scopes: Scopes = msgspec.field(default_factory=list)
    redirect_uris: Uris = msgspec.field(default_factory=list)
    first_party: bool = False
    introspector: bool = False
    audience: Audience = ""


class MadeClient(msgspec.Struct, frozen=True):
    """client_secret: shown this once; null of a client that has none."""

    client: ClientLine
    client_secret: str | None


class ClientChange(
    OperatorsMembers, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What is left out stays. Of metadata, null is for none. A client stays public or does not;
    one that goes from keys to a secret has none before it is made."""

    client_name: Name | UnsetType = UNSET
    token_endpoint_auth_method: Method | UnsetType = UNSET
    grant_types: Words | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    redirect_uris: Uris | UnsetType = UNSET
    first_party: bool | UnsetType = UNSET
    introspector: bool | UnsetType = UNSET
    audience: Audience | UnsetType = UNSET


class Secret(msgspec.Struct, frozen=True):
    client_secret: str


class ClientQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cursor: Text = ""
    limit: Limit = 50


COLUMNS = {*ClientChange.__struct_fields__} - {*OperatorsMembers.__struct_fields__}
OURS = {
    "client_name": "name",
    "grant_types": "grants",
    "token_endpoint_auth_method": "method",
}


class ClientsApi:
    def __init__(self, clients: Clients, changes: ClientChanges, rules: Rules) -> None:
        self._clients = clients
        self._changes = changes
        self._rules = rules

    def operations(self) -> list[Operation]:
        all_, one = "/admin/clients", "/admin/clients/{id}"
        return [
            Operation("GET", all_, "List clients", self.page, ClientLines, query=ClientQuery),
            Operation("POST", all_, "Register", self.create, MadeClient, NewClient, status=201),
            Operation("GET", one, "A client", self.get, ClientLine),
            Operation("PATCH", one, "Change a client", self.change, ClientLine, ClientChange),
            Operation("DELETE", one, "Delete a client and what it was granted", self.delete),
            Operation("POST", f"{one}/secret", "Another secret at once", self.rotate, Secret),
        ]

    async def page(self, call: Call) -> ClientLines:
        query: ClientQuery = call.query
        found = await self._changes.page(read(query.cursor), query.limit)
        more = cursor_of(found[-1][1], found[-1][0].id) if len(found) == query.limit else None
        return ClientLines([_line(*each) for each in found], more)

    async def create(self, call: Call) -> MadeClient:
        sent: NewClient = call.body
        members = await self._rules.checked(sent)
        made, secret = await self._clients.create(
            sent.client_name,
            sent.scopes,
            sent.token_endpoint_auth_method,
            grants=sent.grant_types,
            redirect_uris=sent.redirect_uris,
            first_party=sent.first_party,
            introspector=sent.introspector,
            audience=sent.audience,
            metadata={name: value for name, value in members.items() if value is not None},
            actor=call.actor.name,
        )
        return MadeClient(_line(*there(await self._changes.get(made.id), "client")), secret or None)

    async def get(self, call: Call) -> ClientLine:
        return _line(*there(await self._changes.get(call.path["id"]), "client"))

    async def change(self, call: Call) -> ClientLine:
        sent = changed(call.body)
        values = {
            OURS.get(name, name): tuple(dict.fromkeys(value)) if isinstance(value, list) else value
            for name, value in sent.items()
            if name in COLUMNS
        }
        if "grants" in values:
            values["grants"] = frozenset(values["grants"])
        members = await self._rules.checked(call.body)
        which = call.path["id"]
        found = await self._changes.update(which, values, call.actor, members=members)
        return _line(*there(found, "client"))

    async def delete(self, call: Call) -> None:
        there(await self._changes.delete(call.path["id"], call.actor), "client")

    async def rotate(self, call: Call) -> Secret:
        return Secret(
            there(await self._changes.rotate_secret(call.path["id"], call.actor), "client")
        )


def _line(client: Client, created_at: int) -> ClientLine:
    return ClientLine(
        client.id,
        client.name,
        client.method,
        sorted(client.grants),
        list(client.scopes),
        list(client.redirect_uris),
        client.first_party,
        client.introspector,
        client.audience,
        dict(client.metadata),
        created_at,
    )
