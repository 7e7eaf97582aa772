"""Organisations have an owner, always, and those who were invited."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.errors import LastOwner, Missing, TooMany
from plugins.auth.access.invitations import OPEN
from plugins.auth.access.options import AccessOptions
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.errors import BadEmail
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.accounts.tables import links
from plugins.auth.mail.postman import Postman
from plugins.auth.pruning import Pruning
from tests.plugins.auth.access.desk import Desk


async def test_who_makes_an_organisation_owns_it(desk: Desk) -> None:
    ada = await desk.person("ada")
    made = await desk.organisations.create("  Acme ", ada)
    (member,) = await desk.organisations.members(made.id)
    assert (member.account_id, member.owner, member.organisation.name) == (ada, True, "Acme")
    assert await desk.organisations.member(made.id, ada) == member
    assert [each.id for each in await desk.organisations.page()] == [made.id]
    for name in ("", " ", "a\nb", "a" * 101):
        with pytest.raises(ValueError, match="name"):
            await desk.organisations.create(name, ada)
    with pytest.raises(Missing):
        await desk.organisations.create("Acme", "0" * 32)


async def test_nobody_makes_more_than_the_setting_says(sql: Sql) -> None:
    desk = Desk(sql, AccessOptions(organisations=2))
    ada = await desk.person("ada")

    async def make() -> bool:
        try:
            await desk.organisations.create("Acme", ada)
        except TooMany:
            return False
        return True

    assert sorted(await asyncio.gather(*(make() for _ in range(6)))) == [False] * 4 + [True] * 2
    await desk.organisations.create("By an admin", ada, bounded=False)


async def test_of_two_owners_who_leave_at_once_one_stays(desk: Desk) -> None:
    ada, bob, eve = [await desk.person(name) for name in ("ada", "bob", "eve")]
    made = await desk.organisations.create("Acme", ada)
    await desk.organisations.add(made.id, bob, owner=True)
    await desk.organisations.add(made.id, eve)

    async def leave(account: str) -> bool:
        try:
            return await desk.organisations.remove(made.id, account)
        except LastOwner:
            return False

    async def step_down(account: str) -> bool:
        try:
            await desk.organisations.set_member(made.id, account, owner=False)
        except LastOwner:
            return False
        return True

    assert sorted(await asyncio.gather(leave(ada), step_down(bob))) == [False, True]
    owners = [each for each in await desk.organisations.members(made.id) if each.owner]
    assert len(owners) == 1
    with pytest.raises(LastOwner):
        await desk.organisations.remove(made.id, owners[0].account_id)
    assert await desk.organisations.remove(made.id, eve)
    assert not await desk.organisations.remove(made.id, eve)


async def test_whoever_is_alone_takes_the_organisation_along(desk: Desk) -> None:
    ada = await desk.person("ada")
    made = await desk.organisations.create("Acme", ada)
    await desk.invitations.invite(made.id, "bob@example.org", by=ada)
    assert await desk.organisations.remove(made.id, ada)
    assert await desk.organisations.get(made.id) is None
    assert await desk.invitations.for_address("bob@example.org") == []
    assert not await desk.organisations.remove(made.id, ada)


async def test_members_are_changed_and_organisations_renamed_and_ended(desk: Desk) -> None:
    ada, bob = await desk.person("ada"), await desk.person("bob")
    await desk.roles.create("editor", ["documents/**:write"])
    made = await desk.organisations.create("Acme", ada)
    assert await desk.organisations.add(made.id, bob, roles=["editor"])
    assert not await desk.organisations.add(made.id, bob)
    await desk.organisations.set_member(made.id, bob, owner=True)
    member = await desk.organisations.member(made.id, bob)
    assert member is not None
    assert (member.owner, member.roles) == (True, ("editor",))
    with pytest.raises(Missing):
        await desk.organisations.set_member(made.id, "0" * 32, owner=True)
    with pytest.raises(Missing):
        await desk.organisations.add("0" * 32, bob)
    assert (await desk.organisations.rename(made.id, "Acme 2")).name == "Acme 2"
    await desk.grants.give("principal", bob, f"organisations/{made.id}/files:read")
    assert await desk.organisations.delete(made.id)
    assert not await desk.organisations.delete(made.id)
    assert await desk.organisations.of(bob) == []
    assert await desk.grants.of("principal", bob) == []


async def test_an_account_that_closes_leaves_its_organisations(desk: Desk) -> None:
    ada, bob = await desk.person("ada"), await desk.person("bob")
    alone = await desk.organisations.create("Alone", ada)
    shared = await desk.organisations.create("Shared", ada)
    await desk.organisations.add(shared.id, bob)
    await desk.grants.give("principal", ada, "documents/1:read")
    await desk.groups.create("staff")
    await desk.groups.add("staff", ada)
    _, key = await desk.keys.create(ada, "laptop")
    people = desk.people
    sessions = Sessions(desk.sql, people.options, "http://localhost/auth", desk.clock)
    changes = Changes(desk.sql, desk.epoch, people.directory, sessions, desk.clock)
    held = await changes.exported(await desk.account(ada))
    assert held["groups"] == ["staff"]
    assert held["grants"] == ["documents/1:read"]
    assert [each["name"] for each in held["api_keys"]] == ["laptop"]
    assert {each["name"] for each in held["organisations"]} == {"Alone", "Shared"}
    assert key not in str(held)
    await changes.close(ada, "192.0.2.7")
    assert await desk.organisations.get(alone.id) is None
    assert [each.account_id for each in await desk.organisations.members(shared.id)] == [bob]
    assert await desk.keys.page() == []
    assert await desk.groups.members("staff") == []
    assert await desk.grants.of("principal", ada) == []


class TestAnInvitation:
    async def test_is_accepted_once_by_whoever_has_the_address(self, desk: Desk) -> None:
        ada, bob, eve = [await desk.person(name) for name in ("ada", "bob", "eve")]
        made = await desk.organisations.create("Acme", ada)
        invited = await desk.invitations.invite(made.id, "BOB@example.org", owner=True, by=ada)
        assert invited is not None
        assert await desk.invitations.accept(invited.id, await desk.account(eve)) is None
        account = await desk.account(bob)
        taken = await asyncio.gather(
            *(desk.invitations.accept(invited.id, account) for _ in range(10))
        )
        assert sorted(map(str, taken)) == sorted([made.id] + ["None"] * 9)
        member = await desk.organisations.member(made.id, bob)
        assert member is not None
        assert member.owner
        assert await desk.invitations.page(made.id) == []

    async def test_is_for_a_confirmed_address_and_for_a_while(self, desk: Desk) -> None:
        ada, bob = await desk.person("ada"), await desk.person("bob", verified=False)
        made = await desk.organisations.create("Acme", ada)
        invited = await desk.invitations.invite(made.id, "bob@example.org", by=ada)
        assert invited is not None
        account = await desk.account(bob)
        assert await desk.invitations.accept(invited.id, account) is None
        assert not await desk.invitations.decline(invited.id, account)
        other = await desk.person("eve")
        late = await desk.invitations.invite(made.id, "eve@example.org", by=ada)
        assert late is not None
        desk.clock.ahead = 7 * 86400 + 1
        assert await desk.invitations.accept(late.id, await desk.account(other)) is None
        assert await desk.invitations.page(made.id) == []
        await Pruning(desk.sql, desk.clock).prune()
        desk.clock.ahead = 0
        assert await desk.invitations.page(made.id) == []

    async def test_is_mailed_with_a_link_that_ends_with_it(self, desk: Desk) -> None:
        ada = await desk.person("ada")
        made = await desk.organisations.create("Acme", ada)
        sent: list[str] = []

        async def send(message: object) -> None:
            sent.append(message.get_content())  # type: ignore[attr-defined]  # an EmailMessage

        postman = Postman(desk.sql, "http://localhost/auth", "a@b.c", send, desk.clock, place="P")
        invited = await desk.invitations.invite(made.id, "bob@example.org", by=ada, locale="es")
        assert invited is not None
        assert await postman.deliver()
        assert "Acme" not in sent[0]
        token = sent[0].split("/auth/account/organisations/join?token=")[1].split()[0]
        assert await desk.invitations.by_link(token) == invited
        assert await desk.invitations.withdraw(made.id, invited.id, by=ada)
        assert not await desk.invitations.withdraw(made.id, invited.id, by=ada)
        assert await desk.invitations.by_link(token) is None
        async with desk.sql.read() as connection:
            assert (await connection.execute(sa.select(links))).all() == []

    async def test_replaces_the_one_before_and_does_not_flood_an_address(self, desk: Desk) -> None:
        ada = await desk.person("ada")
        made = await desk.organisations.create("Acme", ada)
        found = [await desk.invitations.invite(made.id, "bob@example.org") for _ in range(6)]
        assert found[-1] is None
        assert found[-2] is not None
        assert [each.id for each in await desk.invitations.page(made.id)] == [found[-2].id]
        with pytest.raises(BadEmail):
            await desk.invitations.invite(made.id, "nobody")
        with pytest.raises(Missing):
            await desk.invitations.invite("0" * 32, "bob@example.org")
        with pytest.raises(Missing):
            await desk.invitations.invite(made.id, "eve@example.org", roles=["nothing"])

    async def test_are_so_many_of_one_person_and_then_there_are_pauses(self, desk: Desk) -> None:
        ada = await desk.person("ada")
        made = await desk.organisations.create("Acme", ada)
        attempts = desk.people.directory.attempts
        async with desk.sql.write() as connection:
            for _ in range(OPEN - 1):
                await attempts.begin(connection, f"letters of {ada}", OPEN)
        invite = desk.invitations.invite
        assert await invite(made.id, "bob@example.org", by=ada) is not None
        assert await invite(made.id, "eve@example.org", by=ada) is None
        assert await invite(made.id, "eve@example.org") is not None  # an operator

    async def test_can_be_declined(self, desk: Desk) -> None:
        ada, bob = await desk.person("ada"), await desk.person("bob")
        made = await desk.organisations.create("Acme", ada)
        invited = await desk.invitations.invite(made.id, "bob@example.org", by=ada)
        assert invited is not None
        account = await desk.account(bob)
        assert await desk.invitations.decline(invited.id, account)
        assert await desk.invitations.accept(invited.id, account) is None
