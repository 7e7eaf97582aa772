"""A log-in leads to a path under the issuer and nowhere else."""

from __future__ import annotations

import pytest

from plugins.auth.pages.onward import HOME, onward


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/auth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fapp.example%2F", None),
        ("/auth/account/password", "/account/password"),
        ("", HOME),
        ("https://evil.example/", HOME),
        ("https:/auth/x", HOME),
        ("javascript:alert(1)", HOME),
        ("//evil.example/auth/", HOME),
        ("///auth/account", HOME),
        ("/auth//evil.example/", HOME),
        ("/auth/%2F/evil.example", HOME),
        ("/auth/../elsewhere", HOME),
        ("/auth/%2e%2e/elsewhere", HOME),
        ("/auth/\\evil.example", HOME),
        ("/auth/%5Cevil.example", HOME),
        ("/auth/a\r\nSet-Cookie: x=y", HOME),
        ("/authentic/x", HOME),
        ("/elsewhere", HOME),
        ("/auth/" + "x" * 9000, HOME),
    ],
)
def test_it_is_ours(asked: str, path: str | None) -> None:
    assert onward(asked, "/auth") == (path or asked.removeprefix("/auth"))


@pytest.mark.parametrize("asked", ["//evil.example/", "///evil.example/", "////evil.example"])
def test_it_is_ours_where_the_issuer_has_no_path(asked: str) -> None:
    assert onward(asked, "") == HOME
    assert onward("/account/password", "") == "/account/password"
