"""Passkeys by a browser that nobody here wrote, with Chromium's virtual authenticator (CTAP 2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.engine import free_port
from tests.gateway.serving import serving
from tests.plugins.auth.browser import EMAIL
from tests.plugins.auth.chromium import Tab, tab
from tests.plugins.auth.people import PASSWORD

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
async def root(tmp_path: Path, sqlite_url: str) -> AsyncIterator[str]:
    port = free_port()
    config = f"""
backends: {{sql: "{sqlite_url}"}}
plugins:
  auth: {{use: auth, issuer: "http://localhost:{port}/auth"}}
routes:
  - {{id: auth, match: {{path: /auth/**}}, plugin: auth, strip_prefix: /auth}}
"""
    async with serving(tmp_path, config, port=port):
        yield f"http://localhost:{port}/auth"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Tab]:
    async with tab(tmp_path) as found:
        yield found


async def register(browser: Tab, root: str, email: str = EMAIL) -> None:
    await browser.go(f"{root}/register")
    await browser.fill(email=email, password=PASSWORD)
    await browser.press("Create an account")
    await browser.until("document.title.startsWith('Check your e-mail')")
    await browser.go(f"{root}/login")
    await browser.fill(email=email, password=PASSWORD)
    await browser.press("Log in")
    await browser.at("/auth/account")


async def add_passkey(browser: Tab, root: str) -> None:
    await browser.go(f"{root}/account/passkeys")
    await browser.fill(name="Virtual key")
    await browser.press("Add a passkey")
    await browser.until("document.querySelectorAll('.codes li').length === 10")


async def log_out(browser: Tab, root: str, at: str = "/auth/login") -> None:
    await browser.go(f"{root}/logout")
    await browser.press("Log out")
    await browser.at(at)


async def authenticator(browser: Tab, *, autofill: bool) -> dict[str, str]:
    """It presses its own button. autofill: whether e-mail fields offer passkeys, which it takes."""
    await browser.call("WebAuthn.enable")
    if not autofill:
        await browser.call("Page.addScriptToEvaluateOnNewDocument", source=NO_AUTOFILL)
    found: dict[str, str] = await browser.call(
        "WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR
    )
    return found


async def test_a_passkey_is_added_and_logs_in_alone_and_after_the_password(
    browser: Tab, root: str
) -> None:
    made = await authenticator(browser, autofill=False)
    await register(browser, root)
    await add_passkey(browser, root)
    kept = await browser.call("WebAuthn.getCredentials", **made)
    (credential,) = kept["credentials"]
    assert (credential["rpId"], credential["isResidentCredential"]) == ("localhost", True)
    await log_out(browser, root)
    await browser.press("Log in with a passkey")
    await browser.at("/auth/account")
    await log_out(browser, root)
    await browser.fill(email=EMAIL, password=PASSWORD)
    await browser.press("Log in")
    await browser.at("/auth/login/code")
    await browser.press("Use a passkey")
    await browser.at("/auth/account")


async def test_the_email_field_offers_passkeys(browser: Tab, root: str) -> None:
    await authenticator(browser, autofill=True)
    await register(browser, root)
    await add_passkey(browser, root)
    await log_out(browser, root, at="/auth/account")


async def test_one_that_does_not_verify_its_person_is_refused_and_the_page_says_so(
    browser: Tab, root: str
) -> None:
    made = await authenticator(browser, autofill=False)
    await register(browser, root)
    await add_passkey(browser, root)
    await log_out(browser, root)
    await browser.call("WebAuthn.setUserVerified", **made, isUserVerified=False)
    await browser.press("Log in with a passkey")
    await browser.until("!document.querySelector('form[data-passkey] [role=alert]').hidden")
    assert await browser.js("location.pathname") == "/auth/login"


async def test_pages_break_no_rule_of_their_policy_and_fit_a_phone(browser: Tab, root: str) -> None:
    await browser.call("Emulation.setDeviceMetricsOverride", **PHONE)
    await browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    await register(browser, root, LONG)
    for path in ("login?fresh=1", "register", "forgot", "account", "logout", *ACCOUNT):
        await browser.go(f"{root}/{path}")
        assert json.loads(await browser.js("JSON.stringify(window.broken)")) == []
        assert await browser.js("document.documentElement.scrollWidth") <= PHONE["width"], path


NO_AUTOFILL = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
WATCH = (
    "window.broken = []; addEventListener('securitypolicyviolation', "
    "(event) => broken.push(event.violatedDirective), true)"
)
LONG = f"{'ada' * 20}@{'lovelace' * 7}.example.org"
ACCOUNT = [f"account/{each}" for each in ("password", "email", "totp", "passkeys", "close")]
