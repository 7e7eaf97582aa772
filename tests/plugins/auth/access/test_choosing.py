"""For which organisation people log in: asked, kept by refresh and exchange, ended with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import sqlalchemy as sa

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.access.organisation_scope import remembered, scope_of
from plugins.auth.access.tables import memberships
from plugins.auth.accounts.tables import accounts
from plugins.auth.exchange.exchange import ACCESS_TOKEN
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import CREDENTIALS, DEVICE, EXCHANGE, PASSWORD, REFRESH, Clients
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.grants import Granted, Grants
from plugins.auth.oauth.options import TokenOptions
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.tables import clients, grants
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.browser import EMAIL, Browser, Page
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import App, Place, send
from tests.plugins.auth.patience import until
from tests.plugins.auth.people import PASSWORD as SECRET

__all__ = ["here"]

SCOPES = ["openid", "email", "organisation"]
ASKED = {"scope": "openid organisation"}
CHOICE = "/auth/authorize/consent"
on_sqlite = pytest.mark.parametrize("sql_url", ["sqlite"], indirect=True)
"""What no engine does otherwise; what is a race runs on both."""


@dataclass
class Members:
    """Ada, in two organisations of hers; bob owns them as well, so she may leave."""

    ada: str
    acme: str
    zeta: str


async def joined(here: Place, desk: Desk) -> tuple[Browser, Members]:
    browser = await here.ada()
    async with here.sql.read() as connection:
        ada = (await connection.execute(sa.select(accounts.c.id))).scalar_one()
    ending = Ending(Revoked(here.sql, Subscribers(), 900))
    desk.organisations.on_leave(ending.memberships)
    bob = await desk.person("bob")
    acme, zeta = [(await desk.organisations.create(name, bob)).id for name in ("Acme", "Zeta")]
    for each in (acme, zeta):
        await desk.organisations.add(each, ada)
    return browser, Members(ada, acme, zeta)


def said(told: dict[str, Any], token: str = "access_token") -> dict[str, Any]:
    options: Any = {"verify_signature": False, "verify_aud": False}
    found: dict[str, Any] = jwt.decode(told[token], options=options)
    return found


async def choose(browser: Browser, shown: Page, chosen: str, do: str = "choose") -> dict[str, str]:
    answer = await send(browser, CHOICE, {**shown.hidden(), "organisation": chosen, "do": do})
    assert isinstance(answer, dict), answer.text
    return answer


async def for_one(app: App, browser: Browser, chosen: str, **more: str) -> dict[str, Any]:
    shown = await app.shown(browser, **{**ASKED, **more})
    status, told = await app.redeem((await choose(browser, shown, chosen))["code"])
    assert status == 200, told
    found: dict[str, Any] = told
    return found


@on_sqlite
async def test_a_member_of_several_chooses_and_the_tokens_are_for_that_one(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    shown = await app.shown(browser, **ASKED)
    assert shown.status == 200
    for words in ("Choose an organisation", "Acme", "Zeta", "and in no other"):
        assert words in shown.text
    again = await send(browser, CHOICE, {**shown.hidden(), "do": "choose"})
    assert isinstance(again, Page)
    assert (again.status, 'id="wrong"' in again.text) == (400, True)
    other = {**again.hidden(), "organisation": "0" * 32, "do": "choose"}
    again = await send(browser, CHOICE, other)
    assert isinstance(again, Page)
    status, told = await app.redeem((await choose(browser, again, members.zeta))["code"])
    assert (status, told["scope"]) == (200, f"openid organisation {scope_of(members.zeta)}")
    claims = said(told)
    assert (claims["org"], claims["org_owner"], claims["org_roles"]) == (members.zeta, False, [])
    assert said(told, "id_token")["org"] == members.zeta
    _, info, _ = await app.get("/auth/userinfo", told["access_token"])
    assert (info["org"], info["organisations"]) == (members.zeta, claims["organisations"])
    _, refreshed = await app.refresh(told["refresh_token"])
    assert said(refreshed)["org"] == members.zeta


@on_sqlite
async def test_who_does_not_choose_is_known_to_nobody(here: Place, desk: Desk) -> None:
    browser, _ = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    shown = await app.shown(browser, **ASKED)
    answer = await send(browser, CHOICE, {**shown.hidden(), "do": "deny"})
    assert isinstance(answer, dict)
    assert answer["error"] == "access_denied"
    forged = await browser.post(CHOICE, {**shown.hidden(), "csrf": "x", "do": "choose"})
    assert forged.status == 403


async def test_the_choice_stands_for_that_client_and_session_until_another_is_wished(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app, other = await here.app(scopes=SCOPES), await here.app(scopes=SCOPES)
    silent = {**ASKED, "prompt": "none"}
    assert (await app.told(browser, **silent))["error"] == "interaction_required"
    first = await for_one(app, browser, members.acme)
    assert said(await app.tokens(browser, **ASKED))["org"] == members.acme
    assert said(await app.tokens(browser, **silent))["org"] == members.acme
    assert (await other.told(browser, **silent))["error"] == "interaction_required"
    elsewhere = here.browser()
    await elsewhere.log_in()
    assert (await app.told(elsewhere, **silent))["error"] == "interaction_required"
    shown = await app.shown(browser, **ASKED, prompt="select_account")
    fields = {**shown.hidden(), "email": EMAIL, "password": SECRET}
    answer = await send(browser, "/auth/login", fields)
    assert isinstance(answer, Page)
    _, told = await app.redeem((await choose(browser, answer, members.zeta))["code"])
    assert said(told)["org"] == members.zeta
    _, refreshed = await app.refresh(first["refresh_token"])
    assert refreshed.get("error") == "invalid_grant" or said(refreshed)["org"] == members.acme


@on_sqlite
async def test_a_client_may_ask_for_one_of_the_persons_organisations_without_a_question(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app, other = await here.app(scopes=SCOPES), await here.app()
    for each in (members.acme, members.zeta):
        told = await app.tokens(browser, scope=f"openid {scope_of(each)}", prompt="none")
        assert said(told)["org"] == each
    strange = (await desk.organisations.create("Strange", await desk.person("eve"))).id
    answer = await app.told(browser, scope=scope_of(strange))
    assert answer["error"] == "access_denied"
    both = f"{scope_of(members.acme)} {scope_of(members.zeta)}"
    for asking, scope in ((app, both), (app, "organisation:x"), (other, scope_of(members.acme))):
        assert (await asking.told(browser, scope=scope))["error"] == "invalid_scope"


@on_sqlite
async def test_a_client_of_one_organisation_is_for_its_members(here: Place, desk: Desk) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES, metadata={"organisation": members.zeta})
    assert said(await app.tokens(browser, **ASKED))["org"] == members.zeta
    answer = await app.told(browser, scope=scope_of(members.acme))
    assert answer["error"] == "invalid_scope"
    await desk.organisations.remove(members.zeta, members.ada)
    assert (await app.told(browser, **ASKED))["error"] == "access_denied"


@on_sqlite
async def test_who_has_one_organisation_is_not_asked_and_who_has_none_gets_no_org(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    await desk.organisations.remove(members.zeta, members.ada)
    only = await app.tokens(browser, **ASKED)
    assert said(only)["org"] == members.acme
    await desk.organisations.add(members.zeta, members.ada)
    _, only = await app.refresh(only["refresh_token"])
    assert said(only)["org"] == members.acme
    for each in (members.acme, members.zeta):
        await desk.organisations.remove(each, members.ada)
    none = await app.tokens(browser, **ASKED)
    assert ("org" in said(none), none["scope"]) == (False, "openid organisation")
    await desk.organisations.add(members.acme, members.ada)
    _, none = await app.refresh(none["refresh_token"])
    assert "org" not in said(none)


@on_sqlite
async def test_narrowing_at_refresh_never_takes_the_bound_away(here: Place, desk: Desk) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    told = await for_one(app, browser, members.acme)
    for scope in ("openid", "organisation", scope_of(members.acme)):
        _, told = await app.refresh(told["refresh_token"], scope=scope)
        assert said(told)["org"] == members.acme
        assert scope_of(members.acme) in told["scope"].split()
    status, error = await app.refresh(told["refresh_token"], scope=scope_of(members.zeta))
    assert (status, error["error"]) == (400, "invalid_scope")
    async with here.clients.epoch.write() as connection:
        await connection.execute(clients.update().values(scopes="openid"))
    async with asyncio.timeout(20):
        while "organisations" in said(told):
            _, told = await app.refresh(told["refresh_token"])
            assert said(told)["org"] == members.acme


@on_sqlite
async def test_an_exchange_never_takes_the_bound_away(here: Place, desk: Desk) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    values: Any = {"redirect_uris": [], "grants": [CREDENTIALS, EXCHANGE]}
    api = await here.app(scopes=["openid"], **values)
    told = await for_one(app, browser, members.acme)
    sent = {
        "grant_type": EXCHANGE,
        "subject_token": told["access_token"],
        "subject_token_type": ACCESS_TOKEN,
    }
    status, exchanged = await api.post("token", {**sent, "scope": "openid"})
    assert (status, said(exchanged)["org"]) == (200, members.acme)
    assert exchanged["scope"] == f"openid {scope_of(members.acme)}"
    status, error = await api.post("token", {**sent, "scope": scope_of(members.zeta)})
    assert (status, error["error"]) == (400, "invalid_scope")
    status, error = await api.post(
        "token", {"grant_type": CREDENTIALS, "scope": scope_of(members.acme)}
    )
    assert (status, error["error"]) == (400, "invalid_scope")
    await desk.organisations.remove(members.acme, members.ada)

    async def refused() -> bool:
        answer = await api.post("token", {**sent, "subject_token": exchanged["access_token"]})
        return bool(answer[0] == 400)

    await until(refused)


@pytest.mark.parametrize("how", ["left", "deleted"])
async def test_who_leaves_has_no_tokens_for_the_organisation_and_keeps_the_others(
    here: Place, desk: Desk, how: str
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    left = await for_one(app, browser, members.acme)
    other = await app.tokens(browser, scope=f"openid {scope_of(members.zeta)}")
    code = await app.code(browser, scope=scope_of(members.acme))
    if how == "left":
        await browser.submit(f"/auth/account/organisations/{members.acme}", do="leave")
    else:
        await desk.organisations.delete(members.acme)
    assert (await app.refresh(left["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await app.redeem(code))[1]["error"] == "invalid_grant"

    async def ended() -> bool:
        return (await app.get("/auth/userinfo", left["access_token"]))[0] == 401

    await until(ended)
    assert (await app.get("/auth/userinfo", other["access_token"]))[0] == 200
    assert said((await app.refresh(other["refresh_token"]))[1])["org"] == members.zeta


@on_sqlite
async def test_a_membership_that_is_gone_without_a_word_refreshes_nothing_and_spends_nothing(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    told = await for_one(app, browser, members.acme)
    async with here.sql.write() as connection:
        await connection.execute(memberships.delete())
    for _ in range(2):
        assert (await app.refresh(told["refresh_token"]))[1]["error"] == "invalid_grant"
    await desk.organisations.add(members.acme, members.ada)
    assert (await app.refresh(told["refresh_token"]))[0] == 200


async def test_who_leaves_while_codes_are_redeemed_has_nothing_that_lives(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    first = await for_one(app, browser, members.acme)
    codes = [await app.code(browser, **ASKED) for _ in range(8)]
    races = [app.redeem(code) for code in codes]
    leaving = desk.organisations.remove(members.acme, members.ada)
    results: Any = await asyncio.gather(
        *races[:4], leaving, *races[4:], app.refresh(first["refresh_token"])
    )
    answers = [each for each in results if isinstance(each, tuple)]
    assert len(answers) == 9
    for status, told in answers:
        if status == 200:
            assert said(told)["org"] == members.acme
            assert (await app.refresh(told["refresh_token"]))[1]["error"] == "invalid_grant"
        else:
            assert told["error"] == "invalid_grant"
    async with here.sql.read() as connection:
        assert (await connection.execute(sa.select(grants))).all() == []


@pytest.mark.parametrize("sql_url", ["postgres"], indirect=True)
async def test_who_leaves_waits_for_a_grant_that_is_being_made_and_ends_it(
    desk: Desk, sql: Sql
) -> None:
    """With SQLite there is one writer at a time."""
    ada, bob = await desk.person("ada"), await desk.person("bob")
    acme = (await desk.organisations.create("Acme", bob)).id
    await desk.organisations.add(acme, ada)
    ending = Ending(Revoked(sql, Subscribers(), 900))
    desk.organisations.on_leave(ending.memberships)
    made = Granted("a" * 32, "b" * 32, ada, "", True, (scope_of(acme),), 1, ("pwd",), "aal1")
    begun = Grants(sql, AtRest("s" * 32), ending, TokenOptions())
    locked = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    async def waits() -> bool:
        async with sql.read() as other:
            return leaving.done() or (await other.execute(locked)).scalar_one() > 0

    async with sql.write() as connection:
        await begun.begin(connection, made, refresh=True)
        leaving = asyncio.create_task(desk.organisations.remove(acme, ada))
        await until(waits)
    assert await leaving
    async with sql.read() as connection:
        assert (await connection.execute(sa.select(grants))).all() == []
    with pytest.raises(OAuthError, match="no member"):
        async with sql.write() as connection:
            await begun.begin(connection, made, refresh=True)


@on_sqlite
async def test_another_clients_consent_is_for_the_organisations_that_were_chosen(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES, first_party=False)
    shown = await app.shown(browser, **ASKED)
    assert "see your organisations" in shown.text
    answer = await send(browser, CHOICE, {**shown.hidden(), "do": "allow"})
    assert isinstance(answer, Page)
    assert answer.status == 400
    await choose(browser, answer, members.acme, "allow")
    silent = {"scope": f"openid {scope_of(members.acme)}", "prompt": "none"}
    assert "code" in await app.told(browser, **silent)
    silent = {"scope": f"openid {scope_of(members.zeta)}", "prompt": "none"}
    assert (await app.told(browser, **silent))["error"] == "consent_required"
    shown = await app.shown(browser, scope=f"openid {scope_of(members.zeta)}")
    assert "act for you in one organisation alone: <strong>Zeta</strong>" in shown.text
    shown = await app.shown(browser, **ASKED)
    assert "Choose an organisation" in shown.text
    assert "would like to" not in shown.text
    await choose(browser, shown, members.zeta)
    assert "code" in await app.told(browser, **silent)
    apps = await browser.get("/auth/account/apps")
    assert "<strong>Acme</strong>" in apps.text


@on_sqlite
async def test_what_was_agreed_to_on_the_page_is_what_is_given(here: Place, desk: Desk) -> None:
    """Although another organisation was chosen meanwhile, in another tab."""
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    await for_one(app, browser, members.acme)
    async with here.sql.write() as connection:
        await connection.execute(grants.update().values(created_at=grants.c.created_at - 10))
    shown = await app.shown(browser, **ASKED, prompt="consent")
    assert "<strong>Acme</strong>" in shown.text
    await app.tokens(browser, scope=scope_of(members.zeta))
    answer = await send(browser, CHOICE, {**shown.hidden(), "do": "allow"})
    assert isinstance(answer, dict)
    assert said((await app.redeem(answer["code"]))[1])["org"] == members.acme


@on_sqlite
async def test_a_pushed_request_asks_as_well(here: Place, desk: Desk) -> None:
    browser, members = await joined(here, desk)
    app = await here.app(scopes=SCOPES)
    _, pushed = await app.post("par", app.wishes(**ASKED))
    path = f"/auth/authorize?client_id={app.client.id}&request_uri={pushed['request_uri']}"
    shown = await browser.get(path)
    _, told = await app.redeem((await choose(browser, shown, members.acme))["code"])
    assert said(told)["org"] == members.acme


@on_sqlite
async def test_a_device_is_for_the_organisation_that_its_person_chooses(
    here: Place, desk: Desk
) -> None:
    browser, members = await joined(here, desk)
    values: Any = {"redirect_uris": [], "method": NONE, "grants": [DEVICE, REFRESH]}
    app = await here.app(scopes=SCOPES, **values)
    _, begun = await app.post("device_authorization", ASKED)
    page = "/auth/device"
    shown = await browser.submit(page, user_code=begun["user_code"])
    again = await browser.post(page, {**shown.hidden(), "do": "allow"})
    assert (again.status, 'id="wrong"' in again.text) == (400, True)
    form = {**again.hidden(), "organisation": members.zeta, "do": "allow"}
    assert "logged in" in (await browser.post(page, form)).text
    sent = {"grant_type": DEVICE, "device_code": begun["device_code"]}
    _, told = await app.post("token", sent)
    assert said(told)["org"] == members.zeta
    _, begun = await app.post("device_authorization", {"scope": scope_of("0" * 32)})
    refused = await browser.submit(page, user_code=begun["user_code"])
    assert (refused.status, "not a member of" in refused.text) == (403, True)


@on_sqlite
async def test_the_password_grant_names_one_of_several(here: Place, desk: Desk) -> None:
    _, members = await joined(here, desk)
    values: Any = {"redirect_uris": [], "grants": [PASSWORD]}
    app = await here.app(scopes=SCOPES, **values)
    sent = {"grant_type": PASSWORD, "username": EMAIL, "password": SECRET}
    for scope in ("organisation", scope_of("0" * 32)):
        assert (await app.post("token", {**sent, "scope": scope}))[1]["error"] == "invalid_scope"
    _, told = await app.post("token", {**sent, "scope": scope_of(members.acme)})
    assert said(told)["org"] == members.acme


@on_sqlite
async def test_no_scope_or_client_takes_the_name_of_an_organisation(desk: Desk) -> None:
    for name in ("organisation", scope_of("0" * 32), "organisation:x"):
        with pytest.raises(ValueError, match="meaning already"):
            await desk.scopes.create(name, [])
    with pytest.raises(ValueError, match="organisation"):
        await Clients(desk.sql).create("x", [scope_of("0" * 32)])


def test_consent_to_other_organisations_is_remembered_while_there_is_room() -> None:
    few, many = [frozenset(scope_of(f"{each:032x}") for each in range(n)) for n in (9, 40)]
    new = (scope_of("f" * 32), "openid")
    assert remembered(few, new) == few | set(new)
    assert remembered(many | {"email"}, new) == {"email", *new}
