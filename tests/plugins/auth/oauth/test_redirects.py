"""Exact redirect URIs, and what may be one."""

from __future__ import annotations

import pytest

from plugins.auth.oauth import redirects


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.org/cb?x=1",
        "http://localhost:3000/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:8000/cb",
        "com.example.app:/cb",
    ],
)
def test_what_may_be_registered(uri: str) -> None:
    redirects.check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "http://app.example.org/cb",
        "https://app.example.org/cb#x",
        "https://app.example.org/cb#",
        "https://u@app.example.org/cb",
        "https:///cb",
        "https://app.example.org:x/cb",
        "https://app.example.org/a b",
        "https://app.example.org/ñ",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp:/cb",
        "https://app.example.org/" + "x" * 2000,
    ],
)
def test_what_may_not(uri: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        redirects.check(uri)


KNOWN = ("https://app.example.org/cb", "http://127.0.0.1:1/cb", "http://[::1]/cb")


@pytest.mark.parametrize(
    ("uri", "native", "web"),
    [
        ("https://app.example.org/cb", True, True),
        ("http://127.0.0.1:1/cb", True, True),
        ("http://127.0.0.1:54321/cb", True, False),
        ("http://127.0.0.1/cb", True, False),
        ("http://[::1]:54321/cb", True, False),
        ("http://[::1]:54321/cb?x", False, False),
        ("http://127.0.0.1:54321/other", False, False),
        ("http://127.0.0.1:054321/cb", False, False),
        ("http://127.0.0.1:99999/cb", False, False),
        ("http://u@127.0.0.1:1/cb", False, False),
        ("http://127.0.0.1:1@evil.example/cb", False, False),
        ("http://localhost:1/cb", False, False),
        ("https://app.example.org/cb/", False, False),
        ("https://app.example.org/cb?x", False, False),
        ("https://APP.example.org/cb", False, False),
        ("https://app.example.org:443/cb", False, False),
        ("https://app.example.org.evil/cb", False, False),
        ("", False, False),
    ],
)
def test_only_what_is_registered_and_any_port_of_the_loopback(
    uri: str, native: bool, web: bool
) -> None:
    """ASVS 5.0 10.4.1."""
    assert redirects.registered(uri, KNOWN, native=True) is native
    assert redirects.registered(uri, KNOWN, native=False) is web
