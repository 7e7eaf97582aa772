"""GitHub's way: no id_token, an API about people, and mailboxes that it has verified or not."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from tests.plugins.auth.browser import EMAIL, Page, Place
from tests.plugins.auth.social.conftest import Opening
from tests.plugins.auth.social.scripted import Scripted
from tests.plugins.auth.social.test_attacks import inside
from tests.plugins.auth.social.traveller import Traveller

LEAVE = "/login/oauth/authorize?"


async def met(here: Place, scripted: Scripted, ada: Traveller | None = None, **more: str) -> Page:
    ada = ada or Traveller(here.browser())
    leaving = await ada.press(stop=LEAVE)
    return await ada.go(scripted.back(leaving.url, **more))


async def test_a_person_is_the_number_github_gave_them(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening("github")
    shown = await met(here, scripted)
    assert (inside(shown), EMAIL in shown.text, "Some Ada" in shown.text) == (True, True, True)
    scripted.user = {"id": 583231, "login": "renamed"}
    scripted.emails = []
    assert EMAIL in (await met(here, scripted)).text
    scripted.user = {"id": 1, "login": "octocat"}
    assert (await met(here, scripted)).status == 403


NO_MAILBOX: list[Any] = [
    [{"email": EMAIL, "primary": True, "verified": False}],
    [{"email": EMAIL, "primary": False, "verified": True}],
    [{"email": EMAIL, "primary": True, "verified": "true"}],
    [{"email": 5, "primary": True, "verified": True}, "x"],
    {"message": "nothing"},
]


@pytest.mark.parametrize("number", range(len(NO_MAILBOX)))
async def test_only_the_primary_and_verified_mailbox_makes_an_account(
    number: int, opening: Opening, scripted: Scripted
) -> None:
    here = await opening("github")
    scripted.emails = NO_MAILBOX[number]
    scripted.user = {**scripted.user, "email": EMAIL}  # the public one, which proves nothing
    shown = await met(here, scripted)
    assert (shown.status, "Log in to yours first" in shown.text) == (403, True)


async def test_whoever_hides_their_mailboxes_connects_an_account_they_have(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening("github")
    scripted.emails_status = 404
    ada = Traveller(here.browser())
    assert (await met(here, scripted, ada)).status == 403
    await ada.browser.register()
    await ada.browser.log_in()
    assert "Disconnect" in (await ada.confirm()).text
    assert inside(await met(here, scripted))


async def test_an_answer_with_the_issuer_of_another_is_refused(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening("github")
    assert (await met(here, scripted, iss="https%3A%2F%2Fevil.example")).status == 403
    assert inside(await met(here, scripted, iss=f"{scripted.url}/login/oauth"))


@pytest.mark.parametrize("user", [{}, {"id": "583231"}, {"id": True}, {"id": -1}, [], None])
async def test_a_user_without_a_number_is_nobody(
    user: Any, opening: Opening, scripted: Scripted
) -> None:
    here = await opening("github")
    scripted.user = user
    assert (await met(here, scripted)).status == 403


async def test_errors_that_come_as_200_are_errors(opening: Opening, scripted: Scripted) -> None:
    here = await opening("github")
    for said in ({"error": "bad_verification_code"}, {"error": "x"}, {}, {"access_token": "a\nb"}):
        scripted.answer = web.json_response(said)
        assert (await met(here, scripted)).status == 403


async def test_a_wrong_secret_lets_nobody_in(opening: Opening, scripted: Scripted) -> None:
    here = await opening("github", client_secret="wrong")
    assert (await met(here, scripted)).status == 403


async def test_github_com_has_its_api_on_another_host() -> None:
    from plugins.auth.social.github import API, GitHubProvider
    from plugins.auth.social.options import ProviderOptions

    options = ProviderOptions(kind="github", client_id="a", client_secret="b")
    assert GitHubProvider("github", options)._api == API
    assert GitHubProvider("github", options).label == "GitHub"
