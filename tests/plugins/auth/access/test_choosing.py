"""For which organisation people log in: asked, and known from then on."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.auth.access.organisation_scope import scope_of
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import DEVICE, PASSWORD, REFRESH, Clients
from plugins.auth.oauth.tables import grants
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.access.members import (
    ASKED,
    CHOICE,
    SCOPES,
    choose,
    for_one,
    joined,
    on_sqlite,
    said,
)
from tests.plugins.auth.browser import EMAIL, Page
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import Place, send
from tests.plugins.auth.people import PASSWORD as SECRET

__all__ = ["here"]


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
