"""Roles, scopes and groups: made, changed, held and ended."""

from __future__ import annotations

import asyncio

import pytest

from plugins.auth.access.errors import BuiltIn, Missing, Taken
from plugins.auth.accounts.listing import listed
from tests.plugins.auth.access.desk import Desk


async def test_roles_are_listed_page_by_page_in_the_order_of_names(desk: Desk) -> None:
    for name in ("writer", "editor", "reader"):
        await desk.roles.create(name, ["documents/**:read", "documents/**:read"])
    first = await desk.roles.page(limit=2)
    rest = await desk.roles.page(after=first[-1].name, limit=2)
    assert [role.name for role in first + rest] == ["admin", "editor", "reader", "writer"]
    assert rest[0].permissions == ("documents/**:read",)
    assert (await desk.roles.get("editor")) == first[1]


async def test_a_role_is_changed_and_never_made_twice(desk: Desk) -> None:
    await desk.roles.create("editor", ["documents/**:write"], description="Writes")
    with pytest.raises(Taken):
        await desk.roles.create("editor", [])
    changed = await desk.roles.update("editor", permissions=["documents/1:read"])
    assert (changed.description, changed.permissions) == ("Writes", ("documents/1:read",))
    with pytest.raises(Missing):
        await desk.roles.update("nobody", permissions=[])


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("Editor", "a:read"),
        ("", "a:read"),
        ("a b", "a:read"),
        ("editor", "read"),
        ("editor", "a/*:read"),
        ("editor", "a/../b:read"),
        ("editor", "/a:read"),
        ("editor", "a:Read"),
        ("editor", "a b:read"),
        ("editor", "a:"),
        ("editor", "a//b:read"),
        ("editor", "a/é:read"),
    ],
)
async def test_what_is_no_name_and_no_permission_is_refused(
    desk: Desk, name: str, permission: str
) -> None:
    with pytest.raises(ValueError, match=r"name|permission"):
        await desk.roles.create(name, [permission])


async def test_nobody_locks_all_out_by_the_role_admin(desk: Desk) -> None:
    with pytest.raises(BuiltIn):
        await desk.roles.update("admin", permissions=[])
    with pytest.raises(BuiltIn):
        await desk.roles.delete("admin")


async def test_a_role_that_ends_is_held_by_nobody_any_more(desk: Desk) -> None:
    ada = await desk.person("ada")
    for name in ("a", "ab", "b"):
        await desk.roles.create(name, [])
    await desk.set_roles(ada, "ab", "b", "a")
    await desk.groups.create("staff", ["a", "b"])
    robot = await desk.services.create("robot", ["a"])
    place = await desk.organisations.create("Acme", ada)
    await desk.organisations.set_member(place.id, ada, roles=["a"])
    assert [each.id for each in await listed(desk.sql, role="a")] == [ada]
    assert await desk.roles.delete("a")
    assert not await desk.roles.delete("a")
    assert (await desk.account(ada)).roles == {"ab", "b"}
    group = await desk.groups.get("staff")
    assert group is not None
    assert group.roles == ("b",)
    service = await desk.services.get(robot.id)
    assert service is not None
    assert service.roles == ()
    (member,) = await desk.organisations.of(ada)
    assert member.roles == ()


async def test_roles_that_are_not_there_and_people_that_are_not_there_get_nothing(
    desk: Desk,
) -> None:
    ada = await desk.person("ada")
    with pytest.raises(Missing):
        await desk.set_roles(ada, "admin", "nothing")
    assert (await desk.account(ada)).roles == set()
    assert await desk.set_roles("0" * 32, "admin") is None
    with pytest.raises(Missing):
        await desk.groups.create("staff", ["nothing"])
    await desk.groups.create("staff")
    with pytest.raises(Missing):
        await desk.groups.add("staff", "0" * 32)
    with pytest.raises(Missing):
        await desk.groups.add("nothing", ada)


async def test_a_role_given_while_it_ends_is_held_by_nobody(desk: Desk) -> None:
    people = [await desk.person(f"p{number}") for number in range(5)]
    await desk.roles.create("brief", [])

    async def give(account: str) -> None:
        try:
            await desk.set_roles(account, "brief")
        except Missing:
            return

    await asyncio.gather(*(give(each) for each in people), desk.roles.delete("brief"))
    assert not any([(await desk.account(each)).roles for each in people])


async def test_groups_have_members_once_and_a_group_that_ends_has_none(desk: Desk) -> None:
    ada, bob = sorted([await desk.person("ada"), await desk.person("bob")])
    await desk.groups.create("staff", description="People")
    added = await asyncio.gather(*(desk.groups.add("staff", ada) for _ in range(5)))
    assert sorted(added) == [False] * 4 + [True]
    await desk.groups.add("staff", bob)
    assert await desk.groups.members("staff") == [ada, bob]
    assert await desk.groups.members("staff", after=ada) == [bob]
    assert await desk.groups.remove("staff", bob)
    assert not await desk.groups.remove("staff", bob)
    await desk.roles.create("editor", ["documents/**:write"])
    await desk.groups.update("staff", roles=["editor"])
    assert [group.roles for group in await desk.groups.page()] == [("editor",)]
    assert await desk.groups.groups_of(ada) == ["staff"]
    assert await desk.groups.delete("staff")
    assert await desk.groups.groups_of(ada) == []
    await desk.groups.create("staff")
    assert await desk.groups.members("staff") == []


async def test_scopes_stand_for_permissions_and_leave_known_names_alone(desk: Desk) -> None:
    await desk.scopes.create("documents.read", ["documents/**:read"], description="Read")
    with pytest.raises(Taken):
        await desk.scopes.create("documents.read", [])
    for name in ("openid", "roles", "a b", ""):
        with pytest.raises(ValueError, match="scope"):
            await desk.scopes.create(name, [])
    await desk.scopes.update("documents.read", permissions=["documents/1:read"])
    assert [scope.permissions for scope in await desk.scopes.page()] == [("documents/1:read",)]
    with pytest.raises(Missing):
        await desk.scopes.update("other", description="x")
    assert await desk.scopes.delete("documents.read")
    assert await desk.scopes.get("documents.read") is None


async def test_grants_are_of_one_holder_and_go_with_it_or_with_the_resource(desk: Desk) -> None:
    ada = await desk.person("ada")
    await desk.groups.create("staff")
    assert await desk.grants.give("principal", ada, "documents/1:read")
    assert not await desk.grants.give("principal", ada, "documents/1:read")
    await desk.grants.give("principal", ada, "documents/10:read")
    await desk.grants.give("group", "staff", "documents/1/pages/**:*")
    with pytest.raises(ValueError, match="permission"):
        await desk.grants.give("principal", ada, "documents/*:read")
    for kind, holder in (("principal", "0" * 32), ("group", "nothing")):
        with pytest.raises(Missing):
            await desk.grants.give(kind, holder, "documents/1:read")  # type: ignore[arg-type]  # each is one of the two
    assert [each.holder for each in await desk.grants.holders("documents/1:read")] == [ada]
    assert await desk.grants.forget("documents/1") == 2
    assert [each.permission for each in await desk.grants.of("principal", ada)] == [
        "documents/10:read"
    ]
    assert await desk.grants.take("principal", ada, "documents/10:read")
    assert not await desk.grants.take("principal", ada, "documents/10:read")
    await desk.grants.give("group", "staff", "documents/2:read")
    await desk.groups.delete("staff")
    assert await desk.grants.of("group", "staff") == []
