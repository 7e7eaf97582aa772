"""OWASP ASVS 5.0: what is to be written down is in the README, with what holds by default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import plugins.auth
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.policy import words_of
from plugins.auth.figures import REFERENCES

README = (Path(plugins.auth.__file__).parent / "README.md").read_text()
USUAL = AccountOptions()


def said(item: str) -> str:
    (found,) = re.findall(rf"^\| {re.escape(item)} \| (.+) \|$", README, re.M)
    return str(found)


def setting(name: str) -> str:
    (found,) = re.findall(rf"^\|.*`{name}`.*? \| `(.*?)`", README, re.M)
    return str(found)


@pytest.mark.parametrize("name", ["account_failures", "address_failures"])
def test_6_1_1_how_guesses_are_stopped_and_owners_let_in(name: str) -> None:
    assert f"`{name}`" in said("6.1.1")
    assert setting(name) == str(getattr(USUAL, name))


def test_6_1_2_which_words_are_known() -> None:
    assert "`name`" in said("6.1.2")
    found = words_of("AIT Gateway", "id.example.org", "ada.lovelace@example.org", "Ada L")
    assert {"gateway", "lovelace", "example"} <= {each.lower() for each in found}


def test_6_1_3_each_way_to_log_in() -> None:
    """ASVS 5.0 6.3.4."""
    pages = {
        path
        for file in (Path(plugins.auth.__file__).parent / "pages").glob("*.py")
        for path in re.findall(r'web\.post\("(/login[^"]*)"', file.read_text())
    }
    assert pages == {
        *("/login", "/login/passkey", "/login/passkey/options", "/login/with/{provider}"),
        *("/login/code", "/login/code/passkey", "/login/code/options"),
    }
    ways = {"pwd", "hwk", "fed"}
    assert ways <= REFERENCES
    for way in (*ways, "otp", "password", "recovery code", "remembered device", "API keys"):
        assert way in said("6.1.3")


def test_7_1_1_how_long_sessions_last() -> None:
    assert setting("session_idle") == str(USUAL.session_idle) == str(7 * 86400)
    assert setting("session_absolute") == str(USUAL.session_absolute) == str(30 * 86400)
    for words in ("`session_idle`, 7 days", "`session_absolute`, 30 days", "NIST", "AAL2"):
        assert words in said("7.1.1")


def test_7_1_2_how_many_sessions_there_may_be() -> None:
    assert "as many sessions" in said("7.1.2")


def test_7_1_3_what_ends_with_a_session_elsewhere() -> None:
    for words in ("back-channel logout", "within a second", "offline_access"):
        assert words in said("7.1.3")
