"""What is refused of the plugin's settings before anything starts."""

from __future__ import annotations

import pytest

from plugins.auth.options import AuthOptions


@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        ("id.example.org/auth", "is a URL"),
        ("http://id.example.org/auth", "is https"),
        ("https://id.example.org/auth/", "no slash"),
        ("https://id.example.org/auth?a=b", "no query"),
        ("https://ada:lovelace@id.example.org/auth", "no user"),
    ],
)
def test_an_issuer_that_people_cannot_be_led_to_is_refused(issuer: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        AuthOptions(issuer)


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match="at least 32 characters") as told:
        AuthOptions("https://id.example.org/auth", secret="hunter2")
    assert "hunter2" not in str(told.value)
    assert "k" * 32 not in repr(AuthOptions("http://localhost/auth", secret="k" * 32))
