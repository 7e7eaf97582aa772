"""Providers as the configuration has them. Importing this loads Authlib."""

from __future__ import annotations

from collections.abc import Mapping

from plugins.auth.social.github import GitHubProvider
from plugins.auth.social.issuers import MicrosoftIssuer, OneIssuer
from plugins.auth.social.openid import OpenIdProvider
from plugins.auth.social.options import ProviderOptions
from plugins.auth.social.protocol import Provider


def opened(providers: Mapping[str, ProviderOptions]) -> dict[str, Provider]:
    return {name: _opened(name, options) for name, options in providers.items()}


def _opened(name: str, options: ProviderOptions) -> Provider:
    if options.kind == "github":
        return GitHubProvider(name, options)
    if options.kind == "microsoft":
        rule = MicrosoftIssuer(options.base, options.tenant.lower())
        return OpenIdProvider(name, options, rule, "login")
    again = "select_account" if options.kind == "google" else "login"
    return OpenIdProvider(name, options, OneIssuer(options.base), again)
