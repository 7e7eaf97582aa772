"""What a configuration may say of providers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from plugins.auth.options import AuthOptions
from plugins.auth.social.options import ProviderOptions

WRONG: list[dict[str, Any]] = [
    {"kind": "oidc"},
    {"kind": "oidc", "issuer": "http://sso.example.com"},
    {"kind": "oidc", "issuer": "https://sso.example.com?x=1"},
    {"kind": "oidc", "issuer": "sso.example.com"},
    {"kind": "oidc", "issuer": "https://sso.example.com", "scopes": ["email"]},
    {"kind": "oidc", "issuer": "https://sso.example.com", "tenant": "x"},
    {"kind": "google", "issuer": "https://accounts.google.com"},
    {"kind": "google", "client_id": ""},
    {"kind": "microsoft", "tenant": "a/../b"},
    {"kind": "facebook"},
    {"kind": "github", "scope": "user"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_provider_that_cannot_work_is_a_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"client_id": "a", **wrong}, ProviderOptions)


def test_names_are_fit_for_paths() -> None:
    google = {"kind": "google", "client_id": "a"}
    for name in ("a/b", "", "A", "x" * 33, "../x"):
        with pytest.raises(msgspec.ValidationError, match="provider's name"):
            msgspec.convert(
                {"issuer": "https://a.example/auth", "providers": {name: google}}, AuthOptions
            )


def test_no_secret_is_shown() -> None:
    options = ProviderOptions(kind="google", client_id="a", client_secret="hidden")
    assert "hidden" not in repr(options)


def test_each_kind_has_its_issuer_scopes_and_label() -> None:
    """ASVS 5.0 10.2.3."""
    google = ProviderOptions(kind="google", client_id="a")
    assert (google.base, google.scope) == ("https://accounts.google.com", "openid email profile")
    github = ProviderOptions(kind="github", client_id="a")
    assert (github.base, github.scope) == ("https://github.com", "read:user user:email")
    assert [each.label_of("x") for each in (google, github)] == ["Google", "GitHub"]
    own = ProviderOptions(
        kind="oidc", issuer="https://a.example/", client_id="a", scopes=["openid"]
    )
    assert (own.base, own.scope, own.label_of("x")) == ("https://a.example/", "openid", "x")
