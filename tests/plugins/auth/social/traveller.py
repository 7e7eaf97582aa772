"""A browser that goes to a provider and back: redirects are followed by hand, since the gateway's
issuer is another name than where it listens here."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

from yarl import URL

from tests.plugins.auth.browser import Browser, Page, page

OURS = "http://localhost"
PLACE = "/auth/account/identities"
FORM = re.compile(r'<form[^>]* action="([^"]+)"')


class Traveller:
    def __init__(self, browser: Browser, provider: str = "there") -> None:
        self.browser = browser
        self.provider = provider

    async def go(self, url: str, fields: dict[str, str] | None = None, stop: str = "") -> Page:
        """Through all redirects; `stop` is what an address holds that is not gone to any more."""
        method = "GET" if fields is None else "POST"
        for _ in range(20):
            there = url.replace(OURS, self.browser.root, 1)
            sent: dict[str, Any] = {} if fields is None else {"data": fields}
            address = URL(there, encoded=True)
            async with self.browser.session.request(
                method, address, allow_redirects=False, **sent
            ) as answer:
                if answer.status not in {301, 302, 303}:
                    return await page(answer)
                url = urljoin(there, answer.headers["Location"])
            if stop and stop in url:
                return Page(303, url, "", {})
            method, fields = "GET", None
        raise AssertionError("redirected for ever")

    async def press(self, shown: str = "/auth/login", stop: str = "", **fields: str) -> Page:
        """The provider's button on a page of ours."""
        form = (await self.browser.get(shown)).hidden()
        sent = {**form, **fields}
        return await self.go(f"{OURS}/auth/login/with/{self.provider}", sent, stop)

    async def connect(self, stop: str = "") -> Page:
        return await self.own({"provider": self.provider}, stop)

    async def confirm(self) -> Page:
        """What was brought from the provider before the log-in is this account's."""
        return await self.own({})

    async def disconnect(self) -> Page:
        return await self.own({"identity": (await self.browser.get(PLACE)).hidden()["identity"]})

    async def own(self, fields: dict[str, str], stop: str = "") -> Page:
        csrf = (await self.browser.get("/auth/account")).hidden()["csrf"]
        return await self.go(OURS + PLACE, {"csrf": csrf, **fields}, stop)

    async def log_in_there(self, shown: Page, login: str, stop: str = "") -> Page:
        """The pages of npm's oidc-provider: a log-in, then what the client may see."""
        action = FORM.search(shown.text)
        assert action is not None, shown.text
        asked = await self.go(action[1], {"prompt": "login", "login": login, "password": "x"})
        action = FORM.search(asked.text)
        assert action is not None, asked.text
        return await self.go(action[1], {"prompt": "consent"}, stop)
