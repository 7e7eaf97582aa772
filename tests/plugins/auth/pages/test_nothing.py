"""What is not there, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from plugins.auth.pages.nothing import PROGRAMS, wants_page
from tests.plugins.auth.browser import Browser, Place, place

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROBLEM = "application/problem+json"


@pytest.fixture
async def here(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sqlite_url, capsys) as found:
        yield found


async def asked(
    browser: Browser, method: str, path: str, accept: str = FIREFOX
) -> tuple[int, str, str, str]:
    """Status, kind, what is allowed, and the text of the answer."""
    headers = {"Accept": accept}
    url = f"{browser.root}/auth{path}"
    async with browser.session.request(method, url, headers=headers) as answer:
        told = answer.headers.get("Allow", "")
        assert "Accept" in answer.headers["Vary"].split(", ")
        return answer.status, answer.content_type, told, await answer.text()


async def test_who_reads_pages_gets_one(here: Place) -> None:
    browser = here.browser()
    status, kind, _, text = await asked(browser, "GET", "/acount")
    assert (status, kind) == (404, "text/html")
    assert "There is no such page" in text
    assert 'href="/auth/account"' in text
    status, kind, allowed, text = await asked(browser, "DELETE", "/login")
    assert (status, kind, allowed) == (405, "text/html", "GET, HEAD, POST")
    assert "in that way" in text
    browser.session.headers["Accept-Language"] = "es"
    for path in ("/acount", "/account/x/y", "/acc%2Fount", "/%C3%B1"):
        status, kind, _, text = await asked(browser, "GET", path)
        assert (status, kind) == (404, "text/html")
        assert "No existe esa página" in text


async def test_programs_get_a_problem(here: Place) -> None:
    browser = here.browser()
    for accept in ("*/*", "application/json", f"{PROBLEM}, text/html;q=0.5"):
        status, kind, _, text = await asked(browser, "GET", "/acount", accept)
        assert (status, kind) == (404, PROBLEM)
        assert json.loads(text)["detail"] == "There is no such path."
        status, kind, allowed, _ = await asked(browser, "PUT", "/login", accept)
        assert (status, kind, allowed) == (405, PROBLEM, "GET, HEAD, POST")


async def test_what_programs_ask_is_never_a_page(here: Place) -> None:
    browser = here.browser()
    for part in PROGRAMS:
        for path in (f"/{part}/not/there", f"/{part}/"):
            status, kind, _, _ = await asked(browser, "GET", path)
            assert (status, kind) == (404, PROBLEM), path
    async with browser.session.get(f"{browser.root}/auth/openapi.json") as answer:
        described = (await answer.json())["paths"]
    pages = {"/authorize", "/logout"}
    for path, methods in described.items():
        wrong = path.replace("{", "").replace("}", "")
        status, kind, allowed, _ = await asked(browser, "TRACE", wrong)
        assert (status, kind) == (405, "text/html" if path in pages else PROBLEM), path
        assert {method.upper() for method in methods} <= set(allowed.split(", "))


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (FIREFOX, True),
        ("text/html", True),
        ("TEXT/HTML ; level=1 ; q=0.4, application/json;q=0.3", True),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
        ("text/html, application/json", False),
        ("text/html;q=0.9, application/problem+json", False),
        ("*/*", False),
        ("", False),
        (",;;q", False),
    ],
)
def test_who_prefers_html_to_json_wants_a_page(accept: str, page: bool) -> None:
    request = make_mocked_request("GET", "/", headers={"Accept": accept})
    assert wants_page(request) is page
    assert not wants_page(make_mocked_request("GET", "/"))
