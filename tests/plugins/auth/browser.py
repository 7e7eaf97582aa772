"""A person with a browser, before a real gateway: follows forms as they are on the page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path

import aiohttp
import pytest

from tests.gateway.serving import Served, serving
from tests.plugins.auth.people import PASSWORD

EMAIL = "ada@example.org"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)"[^>]* value="([^"]*)"')


class Page:
    def __init__(self, status: int, url: str, text: str, headers: dict[str, str]) -> None:
        self.status = status
        self.url = url
        self.text = text
        self.headers = headers

    def hidden(self) -> dict[str, str]:
        return {name: unescape(value) for name, value in HIDDEN.findall(self.text)}


class Browser:
    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Accept-Language": "en"}
        )

    async def get(self, path: str, **headers: str) -> Page:
        async with self.session.get(self.root + path, headers=headers) as answer:
            return await page(answer)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        async with self.session.post(self.root + path, data=fields, headers=headers) as answer:
            return await page(answer)

    async def submit(self, shown: str, action: str | None = None, **fields: str) -> Page:
        """The form on a page, with its hidden fields."""
        form = await self.get(shown)
        return await self.post(action or shown, {**form.hidden(), **fields})

    async def register(self, email: str = EMAIL, password: str = PASSWORD) -> Page:
        return await self.submit("/auth/register", email=email, password=password)

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> Page:
        return await self.submit("/auth/login", email=email, password=password)


async def page(answer: aiohttp.ClientResponse) -> Page:
    return Page(answer.status, str(answer.url), await answer.text(), dict(answer.headers))


class Place:
    """A gateway with the plugin, and its printed mail."""

    def __init__(self, served: Served, printed: pytest.CaptureFixture[str]) -> None:
        self.served = served
        self._printed = printed
        self._mail = ""
        self._browsers: list[Browser] = []

    def browser(self) -> Browser:
        self._browsers.append(Browser(self.served.port))
        return self._browsers[-1]

    async def link(self, subject: str, email: str = EMAIL) -> str:
        """The path in the next mail with this subject, which is taken out."""
        wanted = re.compile(
            rf"--- mail to {re.escape(email)}: {re.escape(subject)}\n.*?http://localhost(/\S+)",
            re.S,
        )
        async with asyncio.timeout(20):
            while True:
                self._mail += self._printed.readouterr().out
                if found := wanted.search(self._mail):
                    self._mail = self._mail[: found.start()] + self._mail[found.end() :]
                    return found[1]
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        for browser in self._browsers:
            await browser.session.close()


@asynccontextmanager
async def place(
    folder: Path, sql_url: str, printed: pytest.CaptureFixture[str], options: str = ""
) -> AsyncIterator[Place]:
    config = f"""
backends: {{sql: "{sql_url}"}}
plugins:
  auth: {{use: auth, issuer: "http://localhost/auth"{options}}}
routes:
  - {{id: auth, match: {{path: /auth/**}}, plugin: auth, strip_prefix: /auth}}
"""
    async with serving(folder, config) as served:
        found = Place(served, printed)
        try:
            yield found
        finally:
            await found.close()
