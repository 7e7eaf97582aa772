"""What tokens say of roles, to clients that ask for it; the jwt middleware believes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from backends.sql import Sql
from plugins.auth.access.claims import claims_for
from plugins.auth.access.principals import Principals
from plugins.auth.accounts.tables import accounts
from plugins.auth.oauth.authentication import BASIC
from tests.gateway.serving import serving
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.oauth.relying import CONFIG, Place

EDITORS = """
  editors: {use: jwt, issuer: "http://localhost/auth", roles: [editor]}
routes:
  - {id: editors, match: {path: /editors}, middlewares: [editors], respond: {status: 204}}
"""
ALL = "openid roles groups organisation"


@pytest.fixture
async def here(tmp_path: Path, sql: Sql, sql_url: str) -> AsyncIterator[Place]:
    config = CONFIG.format(sql=sql_url, options="", guard="")
    config = config.replace("routes:\n", EDITORS.lstrip("\n"))
    async with serving(tmp_path, config) as served:
        found = Place(served.port, sql)
        yield found
        await found.close()


def said(told: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        told["access_token"], options={"verify_signature": False, "verify_aud": False}
    )
    return claims


async def only_account(desk: Desk) -> str:
    async with desk.sql.read() as connection:
        found: str = (await connection.execute(accounts.select())).one().id
    return found


async def test_a_token_names_roles_groups_and_the_organisation_when_it_is_asked_to(
    here: Place, desk: Desk
) -> None:
    browser, app = await here.ada(), await here.app(scopes=ALL.split())
    ada = await only_account(desk)
    for name in ("editor", "reader"):
        await desk.roles.create(name, [])
    await desk.groups.create("staff", ["editor"])
    await desk.groups.add("staff", ada)
    await desk.set_roles(ada, "reader")
    acme = (await desk.organisations.create("Acme", ada)).id
    await desk.organisations.set_member(acme, ada, roles=["reader"])
    plain = await app.tokens(browser, scope="openid")
    assert not {"roles", "groups", "org", "organisations"}.intersection(said(plain))
    assert (await app.get("/editors", plain["access_token"]))[0] == 403
    told = await app.tokens(browser, scope=ALL)
    claims = said(told)
    assert claims["roles"] == ["editor", "reader"]
    assert claims["groups"] == ["staff"]
    assert claims["organisations"] == [acme]
    assert (claims["org"], claims["org_owner"], claims["org_roles"]) == (acme, True, ["reader"])
    assert (await app.get("/editors", told["access_token"]))[0] == 204
    await desk.groups.remove("staff", ada)
    async with asyncio.timeout(20):
        while True:
            status, told = await app.refresh(told["refresh_token"])
            assert status == 200
            if said(told)["roles"] == ["reader"]:
                break
    assert (await app.get("/editors", told["access_token"]))[0] == 403


async def test_a_person_is_told_what_the_scopes_let_a_client_do(here: Place) -> None:
    browser, app = await here.ada(), await here.app(scopes=ALL.split(), first_party=False)
    page = await app.shown(browser, scope=ALL)
    for words in ("do everything that you may do", "see your groups", "see your organisations"):
        assert words in page.text


async def test_of_several_organisations_the_one_that_a_scope_names_is_told(desk: Desk) -> None:
    ada = await desk.person("ada")
    acme, zeta = sorted(
        [(await desk.organisations.create(name, ada)).id for name in ("Acme", "Zeta")]
    )
    principals = Principals(desk.sql, desk.epoch, desk.clock)
    both = {"organisations": [acme, zeta]}
    assert await claims_for(principals, ada, ["organisation"]) == both
    named = await claims_for(principals, ada, ["organisation", f"organisation:{zeta}"])
    assert named == {**both, "org": zeta, "org_owner": True, "org_roles": []}
    assert await claims_for(principals, ada, ["openid", "email"]) == {}
    assert await claims_for(principals, "0" * 32, ["roles"]) == {}


async def test_a_token_for_an_organisation_stays_bounded_to_it_whatever_becomes_of_its_person(
    desk: Desk,
) -> None:
    ada, nowhere = await desk.person("ada"), "0" * 32
    principals = Principals(desk.sql, desk.epoch, desk.clock)
    for who in (ada, nowhere):
        assert await claims_for(principals, who, [f"organisation:{nowhere}"]) == {"org": nowhere}


async def test_a_client_has_the_roles_of_its_service_account_until_that_is_disabled(
    here: Place, desk: Desk
) -> None:
    app = await here.app(
        method=BASIC, grants=["client_credentials"], redirect_uris=[], scopes=["roles"]
    )
    form = {"grant_type": "client_credentials"}
    status, told = await app.post("token", form)
    assert (status, "roles" in said(told)) == (200, False)
    await desk.roles.create("editor", [])
    robot = await desk.services.create("robot", ["editor"], client_id=app.client.id)
    async with asyncio.timeout(20):
        while "roles" not in said(told):
            _, told = await app.post("token", form)
    token = told["access_token"]
    assert (await app.get("/editors", token))[0] == 204
    await desk.services.update(robot.id, disabled=True)
    async with asyncio.timeout(20):
        while (await app.get("/editors", token))[0] == 204:
            pass
    assert (await app.get("/editors", token))[0] == 401
    status, told = await app.post("token", form)
    assert (status, told["error"]) == (400, "unauthorized_client")
