"""Microsoft's way: an issuer for each tenant, and addresses that nobody vouches for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugins.auth.social.issuers import CONSUMERS
from tests.plugins.auth.social.conftest import Opening
from tests.plugins.auth.social.scripted import TENANT, Scripted
from tests.plugins.auth.social.test_attacks import inside, met

OTHER = "99999999-2222-3333-4444-555555555555"


def said(scripted: Scripted, tenant: str = TENANT, **more: Any) -> dict[str, Any]:
    """email_verified is no claim of theirs; xms_edov is."""
    issuer = f"{scripted.url}/{tenant}/v2.0"
    return {"iss": issuer, "tid": tenant, "xms_edov": True, "email_verified": None, **more}


async def test_each_tenant_is_an_issuer_of_its_own(opening: Opening, scripted: Scripted) -> None:
    here = await opening("microsoft")
    ada = here.browser()
    scripted.claims = said(scripted)
    assert inside(await met(here, scripted))
    scripted.claims = said(scripted, OTHER, email="bob@example.org")
    shown = await met(here, scripted)  # the same subject, of another tenant
    assert "bob@example.org" in shown.text
    await ada.session.close()


REFUSED = [
    {"tid": OTHER},
    {"tid": None},
    {"tid": "{tenantid}"},
    {"iss": "https://evil.example/v2.0"},
]


@pytest.mark.parametrize("claims", REFUSED, ids=str)
async def test_a_tenant_speaks_for_itself_alone(
    claims: dict[str, Any], opening: Opening, scripted: Scripted
) -> None:
    here = await opening("microsoft")
    scripted.claims = said(scripted) | claims
    assert (await met(here, scripted)).status == 403


async def test_the_template_itself_is_nobodys_issuer(opening: Opening, scripted: Scripted) -> None:
    here = await opening("microsoft")
    scripted.claims = said(scripted) | {"iss": f"{scripted.url}/{{tenantid}}/v2.0"}
    assert (await met(here, scripted)).status == 403


async def test_a_key_of_one_tenant_signs_for_no_other(opening: Opening, scripted: Scripted) -> None:
    scripted.jwk = {"issuer": f"{scripted.url}/{OTHER}/v2.0"}
    here = await opening("microsoft")
    scripted.claims = said(scripted)
    assert (await met(here, scripted)).status == 403
    scripted.claims = said(scripted, OTHER)
    assert inside(await met(here, scripted))


async def test_a_key_for_all_tenants_signs_for_each(opening: Opening, scripted: Scripted) -> None:
    scripted.jwk = {"issuer": f"{scripted.url}/{{tenantid}}/v2.0"}
    here = await opening("microsoft")
    scripted.claims = said(scripted)
    assert inside(await met(here, scripted))


async def test_a_single_tenant_lets_no_other_in(opening: Opening, scripted: Scripted) -> None:
    scripted.tenant = TENANT
    here = await opening("microsoft", tenant=TENANT)
    scripted.claims = said(scripted, OTHER)
    assert (await met(here, scripted)).status == 403
    scripted.claims = said(scripted)
    assert inside(await met(here, scripted))


async def test_a_tenant_that_answers_for_another_is_not_believed(
    opening: Opening, scripted: Scripted
) -> None:
    scripted.tenant = OTHER
    here = await opening("microsoft", tenant=TENANT)
    ada = here.browser()
    form = (await ada.get("/auth/login")).hidden()
    assert (await ada.post("/auth/login/with/there", form)).status == 503


async def test_organizations_are_not_private_people(opening: Opening, scripted: Scripted) -> None:
    here = await opening("microsoft", tenant="organizations")
    scripted.claims = said(scripted, CONSUMERS)
    assert (await met(here, scripted)).status == 403
    scripted.claims = said(scripted)
    assert inside(await met(here, scripted))


@pytest.mark.parametrize("vouched", [None, False, 0, "false"])
async def test_an_address_that_an_administrator_typed_takes_no_account_over(
    vouched: object, opening: Opening, scripted: Scripted
) -> None:
    """email_verified would be a lie here, and xms_edov is left out or false."""
    here = await opening("microsoft")
    owner = here.browser()
    await owner.register()
    await owner.log_in()
    scripted.claims = said(scripted) | {"xms_edov": vouched, "email_verified": True}
    shown = await met(here, scripted)
    assert (shown.status, "Check your e-mail" in shown.text) == (200, True)
    held = json.loads((await owner.get("/auth/account/export")).text)
    assert held["identities"] == []
