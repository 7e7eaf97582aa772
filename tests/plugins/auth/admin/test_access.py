"""Roles, groups, keys and organisations by the admin API."""

from __future__ import annotations

import sqlalchemy as sa

from plugins.auth.access.key_text import well_formed
from plugins.auth.audit.tables import events
from plugins.auth.oauth.clients import Clients
from tests.plugins.auth.admin.conftest import Desk

NOBODY = "0" * 32


async def test_roles_and_scopes_are_made_changed_and_deleted(desk: Desk) -> None:
    for kind, name in (("roles", "editor"), ("scopes", "documents.write")):
        sent = {"name": name, "permissions": ["documents/**:write"], "description": "Writes"}
        status, made = await desk.ask("POST", f"/{kind}", sent)
        assert (status, made["permissions"]) == (201, ["documents/**:write"])
        assert (await desk.ask("POST", f"/{kind}", sent))[0] == 409
        wrong = {"name": "x", "permissions": ["documents"]}
        assert (await desk.ask("POST", f"/{kind}", wrong))[0] == 400
        status, found = await desk.ask("PATCH", f"/{kind}/{name}", {"permissions": []})
        assert (status, found["permissions"], found["description"]) == (200, [], "Writes")
        assert (await desk.ask("GET", f"/{kind}/{name}")) == (200, found)
        assert (await desk.ask("GET", f"/{kind}/nothing"))[0] == 404
        assert (await desk.ask("PATCH", f"/{kind}/nothing", {}))[0] == 404
        assert (await desk.ask("DELETE", f"/{kind}/{name}"))[0] == 204
        assert (await desk.ask("DELETE", f"/{kind}/{name}"))[0] == 404
    assert (await desk.ask("DELETE", "/roles/admin"))[0] == 409
    async with desk.people.sql.read() as connection:
        query = sa.select(events.c.actor).where(events.c.event == "role_created")
        assert (await connection.execute(query)).scalar() == f"client:{desk.client}"


async def test_pages_of_roles_follow_each_other(desk: Desk) -> None:
    for name in ("b", "c", "d"):
        await desk.ask("POST", "/roles", {"name": name})
    _, first = await desk.ask("GET", "/roles?limit=2")
    _, rest = await desk.ask("GET", f"/roles?limit=3&cursor={first['next']}")
    assert [role["name"] for role in first["roles"] + rest["roles"]] == ["admin", "b", "c", "d"]
    assert rest["next"] is None


async def test_groups_have_members_and_grants(desk: Desk) -> None:
    ada = await desk.people.ada()
    await desk.ask("POST", "/roles", {"name": "editor"})
    sent = {"name": "staff", "roles": ["editor"]}
    assert (await desk.ask("POST", "/groups", sent))[0] == 201
    assert (await desk.ask("POST", "/groups", {"name": "x", "roles": ["nothing"]}))[0] == 404
    assert (await desk.ask("PUT", f"/groups/staff/members/{ada}"))[0] == 204
    assert (await desk.ask("PUT", f"/groups/staff/members/{NOBODY}"))[0] == 404
    _, found = await desk.ask("GET", "/groups/staff/members")
    assert found == {"members": [ada], "next": None}
    assert (await desk.ask("GET", "/groups/nothing/members"))[0] == 404
    _, changed = await desk.ask("PATCH", "/groups/staff", {"roles": []})
    assert changed["roles"] == []
    grant = {"kind": "group", "holder": "staff", "permission": "documents/1:read"}
    assert (await desk.ask("POST", "/grants", grant))[0] == 204
    _, found = await desk.ask("GET", "/grants?kind=group&holder=staff")
    assert [each["permission"] for each in found["grants"]] == ["documents/1:read"]
    where = "/grants?kind=group&holder=staff&permission=documents/1:read"
    assert [(await desk.ask("DELETE", where))[0] for _ in range(2)] == [204, 404]
    assert [(await desk.ask("DELETE", f"/groups/staff/members/{ada}"))[0] for _ in range(2)] == [
        204,
        404,
    ]
    assert (await desk.ask("DELETE", "/groups/staff"))[0] == 204
    assert (await desk.ask("GET", "/groups"))[1]["groups"] == []


async def test_service_accounts_have_keys_that_are_shown_once(desk: Desk) -> None:
    client, _ = await Clients(desk.people.sql).create("robot", [])
    sent = {"name": "robot", "roles": ["admin"], "client_id": client.id}
    status, made = await desk.ask("POST", "/service-accounts", sent)
    assert (status, made["client_id"]) == (201, client.id)
    assert (await desk.ask("POST", "/service-accounts", sent))[0] == 409
    path = f"/service-accounts/{made['id']}"
    status, key = await desk.ask(
        "POST", "/api-keys", {"owner": made["id"], "name": "nightly", "scopes": ["roles"]}
    )
    assert status == 201
    assert well_formed(key["secret"].encode())
    _, listed = await desk.ask("GET", f"/api-keys?owner={made['id']}")
    assert listed == {"keys": [key["key"]], "next": None}
    assert (await desk.ask("GET", f"/api-keys?owner={NOBODY}"))[1]["keys"] == []
    revoke = f"/api-keys/{key['key']['id']}"
    assert [(await desk.ask("DELETE", revoke))[0] for _ in range(2)] == [204, 404]
    _, changed = await desk.ask("PATCH", path, {"disabled": True})
    assert changed["disabled"]
    assert (await desk.ask("POST", "/api-keys", {"owner": made["id"], "name": "x"}))[0] == 404
    assert [(await desk.ask("DELETE", path))[0] for _ in range(2)] == [204, 404]
    assert (await desk.ask("GET", "/service-accounts"))[1]["service_accounts"] == []


async def test_organisations_have_members_and_invitations(desk: Desk) -> None:
    ada, root = await desk.people.ada(), await desk.admin()
    status, made = await desk.ask("POST", "/organisations", {"name": "Acme", "owner": ada})
    assert status == 201
    path = f"/organisations/{made['id']}"
    status, member = await desk.ask("PUT", f"{path}/members/{root}", {"roles": ["admin"]})
    assert (status, member["owner"], member["roles"]) == (200, False, ["admin"])
    _, member = await desk.ask("PUT", f"{path}/members/{root}", {"owner": True})
    assert (member["owner"], member["roles"]) == (True, ["admin"])
    _, member = await desk.ask("PUT", f"{path}/members/{root}", {})
    assert member["owner"]
    assert (await desk.ask("DELETE", f"{path}/members/{root}"))[0] == 204
    await desk.ask("PUT", f"{path}/members/{root}", {})
    assert (await desk.ask("DELETE", f"{path}/members/{ada}"))[0] == 409
    _, members = await desk.ask("GET", f"{path}/members")
    assert {each["account_id"] for each in members["members"]} == {ada, root}
    status, invited = await desk.ask("POST", f"{path}/invitations", {"email": "bob@example.org"})
    assert (status, invited["organisation"]) == (201, "Acme")
    _, found = await desk.ask("GET", f"{path}/invitations")
    assert found == {"invitations": [invited], "next": None}
    one = f"{path}/invitations/{invited['id']}"
    assert [(await desk.ask("DELETE", one))[0] for _ in range(2)] == [204, 404]
    assert (await desk.ask("PATCH", path, {"name": "Acme 2"}))[1]["name"] == "Acme 2"
    assert (await desk.ask("POST", f"/organisations/{NOBODY}/invitations", {"email": "a@b.c"}))[
        0
    ] == 404
    assert [(await desk.ask("DELETE", path))[0] for _ in range(2)] == [204, 404]
    assert (await desk.ask("GET", "/organisations"))[1]["organisations"] == []
