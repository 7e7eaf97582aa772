"""Which passwords and addresses are taken."""

from __future__ import annotations

import pytest
from zxcvbn.matching import L33T_TABLE

from plugins.auth.accounts.errors import BadEmail, WeakPassword
from plugins.auth.accounts.policy import KINDS, STAND_INS, address_of, check, key_of, scored


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("", "short"),
        ("violet9", "short"),
        ("password1", "common"),
        ("PASSWORD1", "common"),
        ("ada.lovelace@example.org", "guessable"),
        ("aaaaaaaaaaaaaaaaaaaaaa", "guessable"),
        ("x" * 257, "long"),
    ],
)
def test_weak_passwords_are_refused_and_not_repeated(password: str, rule: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        check(password, 8, 2, ("ada.lovelace@example.org",))
    assert caught.value.rule == rule
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("password", ["violet harbour", "пароль-мой-сад", "Zq" + "u7#kX" * 50])
def test_any_characters_do_and_length_up_to_256(password: str) -> None:
    check(password, 8, 2, ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@a.b",
        "a@",
        "a@b..c",
        "a b@c.d",
        "a@b@c.d",
        "a\r\nBcc: x@y.z",
        "a@b\n.c",
        "\u202ea@b.c",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadEmail):
        address_of(text)


@pytest.mark.parametrize("text", ["ada@example.org", " o'neil+x@sub.example.co ", "ada@localhost"])
def test_addresses_are_taken(text: str) -> None:
    assert address_of(text) == text.strip()


def test_no_password_is_scored_for_seconds() -> None:
    """zxcvbn tries each way in which such characters may stand for letters."""
    meant = {char for chars in L33T_TABLE.values() for char in chars}
    assert meant == set(STAND_INS)
    nasty = "4@8({[</369&#!1/|0$5+7%2/4" * 3
    assert meant <= set(nasty[:64]) | set("69")
    assert len(meant & set(scored(nasty))) == KINDS
    assert scored("p@55w0rd & 1234") == "p@55w0rd & 1234"
    check(nasty[:64], 8, 2, ())


def test_an_address_is_the_same_in_capitals_and_another_in_another_domain() -> None:
    assert key_of(" Ada@Example.ORG") == key_of("ada@example.org")
    assert key_of("JOSE\u0301@example.org") == key_of("jos\u00e9@example.org")
    for other in ("ada@weiß.example", "ada@weiẞ.example"):
        assert key_of(other) != key_of("ada@weiss.example")
