"""Templates, languages and themes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from aiohttp.test_utils import make_mocked_request

from plugins.auth.accounts.errors import WeakPassword
from plugins.auth.pages.access_errors import FLOODED
from plugins.auth.pages.access_errors import WORDS as ABOUT_ACCESS
from plugins.auth.pages.rendering import HERE, SAID, Pages
from plugins.auth.pages.rooms import ANSWERS, WEAK
from plugins.auth.pages.spanish import SPANISH

SPEAKING = {"message", "again", "_done", "say", "place"}


def spoken(call: ast.Call) -> set[str]:
    named = [keyword.value for keyword in call.keywords if keyword.arg != "wrong"]
    arguments = [*call.args, *named]
    constants = {each.value for each in arguments if isinstance(each, ast.Constant)}
    texts = {each for each in constants if isinstance(each, str)}
    return {each for each in texts if each[:1] != "/" and not each.endswith(".html")}


def said() -> set[str]:
    """Every text a template or a handler can say."""
    texts = {text for _, text in ANSWERS.values()} | set(WEAK.values())
    texts |= {*ABOUT_ACCESS.values(), FLOODED, *SAID.values()}
    for template in (HERE / "templates").glob("*.html"):
        texts |= set(re.findall(r'_\("([^"]+)"\)', template.read_text()))
    for source in HERE.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                texts |= spoken(node) if node.func.attr in SPEAKING else set()
    return texts


def test_everything_is_said_in_spanish_too_and_nothing_else_is_kept() -> None:
    found = said()
    assert found - set(SPANISH) == set()
    local = {"We have sent you an e-mail that says what to do next."}
    assert set(SPANISH) - found - local == set()


MARKUP = re.compile(
    r"\|\s*safe\b|autoescape|\son\w+=|\sstyle=|<script>|javascript:"
    r"|\s\w+=\{\{"  # an attribute without quotes, which a space would end
)


def test_no_template_shows_what_somebody_sent_as_markup_or_runs_anything() -> None:
    for template in (HERE / "templates").glob("*.html"):
        assert MARKUP.findall(template.read_text()) == [], template.name


def test_every_rule_about_passwords_has_words() -> None:
    assert {WeakPassword(rule).rule for rule in WEAK} == {"short", "long", "common", "guessable"}


async def test_a_theme_replaces_single_files(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "static").mkdir()
    (tmp_path / "templates" / "logout.html").write_text("<p>ours {{ site }} {{ csrf_field }}</p>")
    (tmp_path / "static" / "auth.css").write_text("body { color: red }")
    pages = Pages("https://id.example.org/auth", "A & B", tmp_path)
    request = make_mocked_request("GET", "/logout")
    shown = pages.render(request, "logout.html", wish="", email="").text or ""
    assert shown.startswith("<p>ours A &amp; B <input ")
    assert "Send the link" in (pages.render(request, "forgot.html", email="").text or "")
    styled = make_mocked_request("GET", "/static/auth.css", match_info={"file": "auth.css"})
    assert (await pages.static(styled)).body == b"body { color: red }"


async def test_browsers_keep_what_a_page_asks_for_until_it_has_changed(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    pages = [Pages("https://id.example.org/auth", "Place")]
    (tmp_path / "static" / "auth.css").write_text("body { color: red }")
    pages.append(Pages("https://id.example.org/auth", "Place", tmp_path))
    request = make_mocked_request("GET", "/forgot")
    asked = [
        re.findall(
            r"/static/auth\.css\?\w+", each.render(request, "forgot.html", email="").text or ""
        )
        for each in pages
    ]
    assert asked[0] != asked[1]
    for url, kept in ((asked[1][0], True), (asked[0][0], False), ("/static/auth.css", False)):
        styled = make_mocked_request("GET", url, match_info={"file": "auth.css"})
        answer = await pages[1].static(styled)
        assert ("immutable" in answer.headers["Cache-Control"]) is kept


def test_a_language_that_was_asked_for_stays_for_the_pages_that_follow() -> None:
    pages = Pages("http://localhost/auth", "Place")
    asked = make_mocked_request("GET", "/login?ui_locales=fr%20es")
    first = pages.render(asked, "forgot.html", email="")
    kept = f"auth-language={first.cookies['auth-language'].value}"
    english = {"Accept-Language": "en"}
    later = make_mocked_request("POST", "/login", headers={**english, "Cookie": kept})
    assert pages.language(later) == "es"
    assert "auth-language" not in pages.render(later, "forgot.html", email="").cookies
    other = make_mocked_request("POST", "/login", headers={**english, "Cookie": "auth-language=xx"})
    assert pages.language(other) == "en"
    back = make_mocked_request("GET", "/login?ui_locales=en", headers={"Cookie": kept})
    assert pages.language(back) == "en"


def test_cookies_of_https_are_for_the_host_alone() -> None:
    pages = Pages("https://id.example.org/auth", "Place")
    answer = pages.render(make_mocked_request("GET", "/logout"), "logout.html", wish="", email="")
    morsel = answer.cookies["__Host-auth-csrf"]
    assert morsel["secure"]
    assert (morsel["path"], morsel["domain"]) == ("/", "")
