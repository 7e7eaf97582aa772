"""Settings of the plugin; each has a safe default but `issuer`."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from plugins.auth.access.options import AccessOptions
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.audit.options import AuditOptions
from plugins.auth.device.options import DeviceOptions
from plugins.auth.dpop.options import DpopOptions
from plugins.auth.keys.at_rest import SHORTEST
from plugins.auth.keys.options import KeyOptions
from plugins.auth.leaving.options import LogoutOptions
from plugins.auth.mail.options import MailOptions
from plugins.auth.oauth.options import TokenOptions
from plugins.auth.pushed.options import PushedOptions
from plugins.auth.social.options import ProviderOptions, check_names


class AuthOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """issuer: the URL under which people reach the plugin, without a slash at its end.

    name: what pages and authenticator apps call the place. theme: a folder with `templates/`
    and `static/` that are taken before the plugin's own. secret: what encrypts at rest;
    left out, `secret_file` holds it and is made at the first start. providers: where people may
    log in instead, by names that are in paths.
    """

    issuer: str
    name: str = "AIT Gateway"
    theme: str = ""
    secret: str = ""
    secret_file: str = "data/auth.key"  # noqa: S105 - a path
    access: AccessOptions = msgspec.field(default_factory=AccessOptions)
    accounts: AccountOptions = msgspec.field(default_factory=AccountOptions)
    keys: KeyOptions = msgspec.field(default_factory=KeyOptions)
    tokens: TokenOptions = msgspec.field(default_factory=TokenOptions)
    dpop: DpopOptions = msgspec.field(default_factory=DpopOptions)
    device: DeviceOptions = msgspec.field(default_factory=DeviceOptions)
    pushed: PushedOptions = msgspec.field(default_factory=PushedOptions)
    logout: LogoutOptions = msgspec.field(default_factory=LogoutOptions)
    mail: MailOptions = msgspec.field(default_factory=MailOptions)
    audit: AuditOptions = msgspec.field(default_factory=AuditOptions)
    providers: dict[str, ProviderOptions] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("issuer is a URL such as https://id.example.org/auth")
        if parts.query or parts.fragment or self.issuer.endswith("/"):
            raise ValueError("issuer has no query, no fragment and no slash at its end")
        if parts.username is not None:
            raise ValueError("issuer has no user and no password")
        if self.secret and len(self.secret) < SHORTEST:
            raise ValueError(f"secret has at least {SHORTEST} characters, all at random")
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme == "http" and not local:
            raise ValueError("issuer is https, except on this machine (localhost, 127.0.0.1)")
        check_names(self.providers)

    def __repr__(self) -> str:
        return f"AuthOptions(issuer={self.issuer!r}, name={self.name!r})"
