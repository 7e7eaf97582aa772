"""A device before a gateway, and its person with a browser elsewhere."""

from __future__ import annotations

from typing import Any

from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import DEVICE, REFRESH
from tests.plugins.auth.oauth.conftest import here
from tests.plugins.auth.oauth.relying import App, Place

__all__ = ["here"]

PAGE = "/auth/device"


async def television(here: Place) -> App:
    registered: Any = {"redirect_uris": [], "method": NONE, "grants": [DEVICE, REFRESH]}
    return await here.app(**registered)


async def ask(app: App, code: str) -> tuple[int, Any]:
    return await app.post("token", {"grant_type": DEVICE, "device_code": code})


async def test_a_device_is_logged_in_from_another_screen(here: Place) -> None:
    app, ada = await television(here), await here.ada()
    status, begun = await app.post("device_authorization", {"scope": "openid email"})
    assert (status, begun["interval"], begun["expires_in"]) == (200, 5, 600)
    assert begun["verification_uri"] == "http://localhost/auth/device"
    assert (await ask(app, begun["device_code"]))[1]["error"] == "authorization_pending"
    complete = begun["verification_uri_complete"].removeprefix("http://localhost")
    form = await ada.get(complete)
    assert begun["user_code"] in form.text
    shown = await ada.post(PAGE, {**form.hidden(), "user_code": begun["user_code"]})
    assert (shown.status, "Shop" in shown.text, "see your e-mail" in shown.text) == (
        200,
        True,
        True,
    )
    assert "somebody sent you the code" in shown.text
    done = await ada.post(PAGE, {**shown.hidden(), "do": "allow"})
    assert "logged in" in done.text
    status, told = await ask(app, begun["device_code"])
    assert (status, told["token_type"], told["scope"]) == (200, "Bearer", "openid email")
    assert (await app.get("/auth/userinfo", told["access_token"]))[1]["email"] == "ada@example.org"
    assert "id_token" in told
    assert (await app.refresh(told["refresh_token"]))[0] == 200
    assert (await ask(app, begun["device_code"]))[1]["error"] == "invalid_grant"


async def test_its_person_can_refuse_it(here: Place) -> None:
    app, ada = await television(here), await here.ada()
    _, begun = await app.post("device_authorization", {})
    shown = await ada.submit(PAGE, user_code=begun["user_code"].lower())
    await ada.post(PAGE, {**shown.hidden(), "do": "deny"})
    assert (await ask(app, begun["device_code"]))[1]["error"] == "access_denied"


async def test_who_is_not_logged_in_comes_back_with_the_code(here: Place) -> None:
    app = await television(here)
    _, begun = await app.post("device_authorization", {})
    await here.ada()
    other = here.browser()
    form = await other.get(f"{PAGE}?user_code={begun['user_code']}")
    assert "/auth/login" in form.url
    fields = {"email": "ada@example.org", "password": "violet-harbour-93-lantern"}
    back = await other.post("/auth/login", {**form.hidden(), **fields})
    assert begun["user_code"] in back.text


async def test_guesses_are_bounded_and_forms_are_ours(here: Place) -> None:
    """ASVS 5.0 6.6.3."""
    ada = await here.ada()
    form = await ada.get(PAGE)
    for _ in range(10):
        wrong = await ada.post(PAGE, {**form.hidden(), "user_code": "BBBB-BBBB"})
        assert wrong.status == 400
    locked = await ada.post(PAGE, {**form.hidden(), "user_code": "BBBB-BBBB"})
    assert locked.status == 429
    assert (await ada.post(PAGE, {"user_code": "BBBB-BBBB", "do": "allow"})).status == 403


async def test_other_clients_have_no_device_codes(here: Place) -> None:
    app = await here.app()
    status, told = await app.post("device_authorization", {})
    assert (status, told["error"]) == (400, "unauthorized_client")
    assert (await ask(app, "x"))[1]["error"] == "unauthorized_client"
    television_set = await television(here)
    assert (await ask(television_set, "x"))[1]["error"] == "invalid_grant"
    status, told = await television_set.post("device_authorization", {"scope": "admin"})
    assert (status, told["error"]) == (400, "invalid_scope")
    assert (await television_set.post("token", {"grant_type": DEVICE}))[1]["error"] == (
        "invalid_request"
    )
