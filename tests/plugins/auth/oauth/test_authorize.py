"""/authorize: what is asked for, who has to log in for it, and where the answer goes."""

from __future__ import annotations

import re
import time
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import jwt
import pyotp
import pytest

from plugins.auth.accounts.tables import sessions
from plugins.auth.oauth.authentication import NONE
from tests.plugins.auth.browser import EMAIL, Browser, Page
from tests.plugins.auth.oauth.relying import CALLBACK, ISSUER, App, Place, send, walk
from tests.plugins.auth.people import PASSWORD


async def log_in(browser: Browser, shown: Page, **more: str) -> Page | dict[str, str]:
    fields = {**shown.hidden(), "email": EMAIL, "password": PASSWORD, **more}
    return await send(browser, "/auth/login", fields)


async def older(here: Place, seconds: int) -> None:
    """All log-ins were so long ago."""
    async with here.sql.write() as connection:
        await connection.execute(sessions.update().values(auth_time=sessions.c.auth_time - seconds))


def said(told: dict[str, str]) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(told["id_token"], options={"verify_signature": False})
    return found


async def test_who_is_not_logged_in_does_it_first_and_ends_at_the_client(here: Place) -> None:
    ada, app = here.browser(), await here.app()
    await ada.register()
    shown = await app.shown(ada, login_hint=EMAIL, ui_locales="es")
    assert f'value="{EMAIL}"' in shown.text
    assert '<html lang="es">' in shown.text
    told = await log_in(ada, shown)
    assert isinstance(told, dict)
    assert told["state"] == "s t&te"
    assert told["iss"] == ISSUER
    assert (await app.redeem(told["code"]))[0] == 200


async def test_who_has_no_account_yet_makes_one_and_goes_on(here: Place) -> None:
    ada, app = here.browser(), await here.app()
    shown = await app.shown(ada)
    shown = await walk_on(ada, shown, "/auth/register")
    form = {**shown.hidden(), "email": EMAIL, "password": PASSWORD}
    shown = await ada.post("/auth/register", form)
    told = await log_in(ada, await walk_on(ada, shown, "/auth/login"))
    assert isinstance(told, dict)
    assert "code" in told
    evil = await ada.get("/auth/register?continue=https://evil.example/")
    assert evil.hidden()["continue"] == "/auth/account"


async def walk_on(browser: Browser, shown: Page, path: str) -> Page:
    """By the link on the page."""
    (link,) = re.findall(rf'href="({path}[^"]*)"', shown.text)
    return await browser.get(unescape(link))


UNKNOWN = [
    {"client_id": "0" * 32},
    {"client_id": ""},
    {"client_id": "\0"},
    {"redirect_uri": CALLBACK + "/"},
    {"redirect_uri": CALLBACK + "?x"},
    {"redirect_uri": "https://evil.example/cb"},
]


async def test_a_page_says_that_a_client_or_its_place_is_not_known(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    for wrong in UNKNOWN:
        shown = await app.shown(ada, **wrong)
        assert shown.status == 400
        assert "not known" in shown.text
    for name, value in (("redirect_uri", CALLBACK), ("client_id", app.client.id)):
        shown_twice = await walk(ada, f"/auth/authorize?{urlencode(app.wishes())}&{name}={value}")
        assert isinstance(shown_twice, Page)
        assert shown_twice.status == 400


WRONG = [
    ({"response_type": ""}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"code_challenge": ""}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": ""}, "invalid_request"),
    ({"scope": "openid admin"}, "invalid_scope"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "dance"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"nonce": "n" * 1001}, "invalid_request"),
    ({"nonce": "\0"}, "invalid_request"),
    ({"dpop_jkt": "x"}, "invalid_request"),
    ({"resource": "https://other.example"}, "invalid_target"),
    ({"request": "a.b.c"}, "request_not_supported"),
    ({"request_uri": "urn:x"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
]


async def test_other_mistakes_are_told_to_the_client(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    for wrong, error in WRONG:
        assert (await app.told(ada, **wrong))["error"] == error, wrong
    path = f"/auth/authorize?{urlencode(app.wishes())}&state=2"
    twice = await walk(ada, path)
    assert isinstance(twice, dict)
    assert twice["error"] == "invalid_request"
    machine = await here.app(grants=["authorization_code"], scopes=["read"])
    assert "code" in await machine.told(ada, scope="")


async def test_the_only_registered_place_need_not_be_sent(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    code = await app.code(ada, redirect_uri="")
    assert (await app.redeem(code, redirect_uri=""))[0] == 200
    two = await here.app(redirect_uris=[CALLBACK, CALLBACK + "2"])
    assert (await two.shown(ada, redirect_uri="")).status == 400


async def test_a_request_may_be_posted_from_anywhere(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    told = await send(ada, "/auth/authorize", app.wishes())
    assert isinstance(told, dict)
    assert "code" in told


async def test_an_answer_may_be_a_form(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    shown = await app.shown(ada, response_mode="form_post")
    assert f'action="{CALLBACK}"' in shown.text
    assert "form-action" not in shown.headers["Content-Security-Policy"]
    fields = shown.hidden()
    assert (fields["state"], fields["iss"]) == ("s t&te", ISSUER)
    assert (await app.redeem(fields["code"]))[0] == 200
    shown = await app.shown(ada, response_mode="form_post", scope="admin")
    assert shown.hidden()["error"] == "invalid_scope"


async def test_prompt_none_shows_nothing(here: Place) -> None:
    nobody, app = here.browser(), await here.app()
    assert (await app.told(nobody, prompt="none"))["error"] == "login_required"
    ada = await here.ada()
    assert "code" in await app.told(ada, prompt="none")
    strange = await here.app(first_party=False)
    assert (await strange.told(ada, prompt="none"))["error"] == "consent_required"
    await older(here, 100)
    assert (await app.told(ada, prompt="none", max_age="99"))["error"] == "login_required"
    assert "code" in await app.told(ada, prompt="none", max_age="200")
    assert (await app.told(ada, prompt="none", acr_values="aal2"))["error"] == "login_required"


@pytest.mark.parametrize(
    "wish", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}, {"max_age": "50"}]
)
async def test_a_fresh_log_in_is_asked_for_once(here: Place, wish: dict[str, str]) -> None:
    ada, app = await here.ada(), await here.app()
    first = said(await app.tokens(ada))
    await older(here, 100)
    shown = await app.shown(ada, **wish)
    told = await log_in(ada, shown)
    assert isinstance(told, dict)
    _, tokens = await app.redeem(told["code"])
    again = said(tokens)
    assert again["auth_time"] >= first["auth_time"]  # type: ignore[operator]  # both are numbers
    assert again["sid"] == first["sid"]
    assert isinstance(await app.ask(ada, **wish), Page) or wish == {"max_age": "50"}


async def test_nobody_but_the_server_says_when_a_browser_came(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    for forged in (str(int(time.time()) - 5), "AAAA", "ñ", "A" * 60):
        assert isinstance(await app.ask(ada, prompt="login", asked=forged), Page)
    other = await here.app()
    shown = await other.shown(ada, prompt="login")
    asked = dict(parse_qsl(urlsplit(shown.hidden()["continue"]).query))["asked"]
    await log_in(ada, shown)
    assert "code" in await other.told(ada, prompt="login", asked=asked)
    assert isinstance(await app.ask(ada, prompt="login", asked=asked), Page)


async def test_a_second_factor_is_asked_for_and_set_up_by_who_has_none(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    assert "code" in await app.told(ada, acr_values="aal2 aal1")
    assert urlsplit((await app.shown(ada, acr_values="aal2")).url).path == "/auth/login/factor"
    secret = (await ada.get("/auth/account/totp")).text.partition('id="secret">')[2][:32]
    code = pyotp.TOTP(secret).at(int(time.time()))
    assert "codes" in (await ada.submit("/auth/account/totp", code=code, do="on")).text
    claims = said(await app.tokens(ada, acr_values="aal2", prompt="none"))
    assert (claims["acr"], claims["amr"]) == ("aal2", ["pwd", "otp"])
    shown = await log_in(ada, await app.shown(ada, acr_values="aal2", prompt="login"))
    assert isinstance(shown, Page)
    assert urlsplit(shown.url).path == "/auth/login/code"


async def test_who_will_have_no_second_factor_goes_back_with_an_error(here: Place) -> None:
    ada, app = await here.ada(), await here.app()
    shown = await app.shown(ada, acr_values="aal2")
    link = shown.text.partition('id="without" href="')[2].partition('"')[0]
    told = await walk(ada, unescape(link))
    assert isinstance(told, dict)
    assert told["error"] == "unmet_authentication_requirements"
    assert (told["iss"], told["state"]) == (ISSUER, "s t&te")
    shown = await app.shown(ada, acr_values="aal2", without="1")
    assert urlsplit(shown.url).path == "/auth/login/factor"
    assert "code" in await app.told(ada, without="1")


async def consent(browser: Browser, shown: Page, do: str) -> Page | dict[str, str]:
    return await send(browser, "/auth/authorize/consent", {**shown.hidden(), "do": do})


async def test_an_application_is_asked_about_once_for_each_scope(here: Place) -> None:
    ada, app = await here.ada(), await here.app(first_party=False)
    shown = await app.shown(ada, scope="openid email")
    assert "see your e-mail address" in shown.text
    assert "app.example.org" in shown.text
    told = await consent(ada, shown, "allow")
    assert isinstance(told, dict)
    assert (await app.redeem(told["code"]))[0] == 200
    assert "code" in await app.told(ada, scope="openid", prompt="none")
    shown = await app.shown(ada, scope="openid profile")
    told = await consent(ada, shown, "deny")
    assert isinstance(told, dict)
    assert (told["error"], told["iss"], told["state"]) == ("access_denied", ISSUER, "s t&te")
    await consent(ada, await app.shown(ada, scope="openid profile"), "allow")
    assert "code" in await app.told(ada, scope="openid profile email")
    assert isinstance(await app.ask(ada, prompt="consent"), Page)


async def test_a_consent_is_of_who_saw_the_page_and_of_our_page(here: Place) -> None:
    ada, app = await here.ada(), await here.app(first_party=False)
    shown = await app.shown(ada)
    form = shown.hidden()
    assert isinstance(await consent(ada, shown, "allow"), dict)
    for changed in ({"csrf": "x" * 32}, {"session": "0" * 32}):
        other = await here.app(first_party=False)
        wishes = urlencode(other.wishes())
        fields = {**form, "request": wishes, "do": "allow", **changed}
        answered = await send(ada, "/auth/authorize/consent", fields)
        assert isinstance(answered, Page), changed


async def test_where_another_app_may_be_people_are_asked_each_time(here: Place) -> None:
    ada = await here.ada()
    for uri in ("com.example.app:/cb", "http://127.0.0.1/cb", "http://localhost/cb"):
        app = await here.app(method=NONE, redirect_uris=[uri], first_party=False)
        for _ in range(2):
            assert isinstance(await consent(ada, await app.shown(ada), "allow"), dict)
        assert (await app.told(ada, prompt="none"))["error"] == "consent_required"
    sure = await here.app(redirect_uris=["http://127.0.0.1/cb"], first_party=False)
    assert isinstance(await consent(ada, await sure.shown(ada), "allow"), dict)
    assert "code" in await sure.told(ada)


async def test_what_a_client_is_called_is_text(here: Place) -> None:
    ada = await here.ada()
    made, secret = await here.clients.create("<b>Shop</b>", redirect_uris=[CALLBACK])
    app = App(here, made, secret)
    text = (await app.shown(ada)).text
    assert "<b>Shop" not in text
    assert "<b>Shop</b>" in unescape(text)


async def test_a_person_ends_what_an_application_was_given(here: Place) -> None:
    """ASVS 5.0 10.4.9, 10.7.3."""
    ada, app = await here.ada(), await here.app(first_party=False)
    told = await consent(ada, await app.shown(ada), "allow")
    assert isinstance(told, dict)
    _, tokens = await app.redeem(told["code"])
    page = await ada.get("/auth/account/apps")
    assert "Shop" in page.text
    assert "see your e-mail address" in page.text
    exported = (await ada.get("/auth/account/export")).text
    assert app.client.id in exported
    await ada.submit("/auth/account/apps", client=app.client.id)
    assert "No application" in (await ada.get("/auth/account/apps")).text
    assert (await app.refresh(tokens["refresh_token"]))[1]["error"] == "invalid_grant"
    assert isinstance(await app.ask(ada), Page)


async def test_programs_of_other_origins_may_ask_what_holds_no_cookie(here: Place) -> None:
    app = await here.app()
    asks = {"Origin": "https://spa.example", "Access-Control-Request-Method": "POST"}
    open_to_all = ("token", "userinfo", "revoke", "jwks.json", ".well-known/openid-configuration")
    async with aiohttp.ClientSession() as session:
        for path in (*open_to_all, "authorize", "account", "introspect"):
            url = f"{app.root}/auth/{path}"
            async with session.options(url, headers=asks) as answer:
                allowed = answer.headers.get("Access-Control-Allow-Origin")
                assert allowed == ("*" if path in open_to_all else None), path
                assert "Access-Control-Allow-Credentials" not in answer.headers
        async with session.post(f"{app.root}/auth/token", headers=asks) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
