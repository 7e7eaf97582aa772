"""What a client asks for at /authorize: read from a mapping, wherever it was sent to
(RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core 3.1.2.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from plugins.auth.oauth import redirects
from plugins.auth.oauth.clients import CODE, Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.narrowing import for_person
from plugins.auth.oauth.token_endpoint import check_resource

RESPONSE_MODES = ("query", "form_post")
PROMPTS = ("none", "login", "consent", "select_account")
THUMB = re.compile(r"[\w-]{43}", re.ASCII)
"""base64url of 32 bytes: an S256 challenge, a thumbprint of a key."""
SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
LONGEST_NONCE = 1000
OFFLINE = "offline_access"


class Nowhere(Exception):
    """The client or its redirect URI is not known: a page says it, and nothing is redirected."""


@dataclass(frozen=True, slots=True)
class Asked:
    """redirect_sent: whether the redirect URI was in the request, and so has to be sent with the
    code. max_age: seconds, or None. jkt: thumbprint of RFC 9449 section 10, or empty."""

    client: Client
    redirect_uri: str
    redirect_sent: bool
    response_mode: str
    state: str
    scopes: tuple[str, ...]
    challenge: str
    nonce: str = ""
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str = ""
    ui_locales: str = ""
    jkt: str = ""

    @property
    def two_factors(self) -> bool:
        return "aal2" in self.acr_values and "aal1" not in self.acr_values

    @property
    def offline(self) -> bool:
        return OFFLINE in self.scopes


def destination(client: Client, sent: Mapping[str, str]) -> str:
    """Where the answer goes, an error too. Raises Nowhere."""
    uri = sent.get("redirect_uri", "")
    if not uri and len(client.redirect_uris) == 1:
        return client.redirect_uris[0]
    native = client.public
    if not uri or not redirects.registered(uri, client.redirect_uris, native=native):
        raise Nowhere
    return uri


def response_mode(sent: Mapping[str, str]) -> str:
    """That of an error, too."""
    mode = sent.get("response_mode", "query")
    return mode if mode in RESPONSE_MODES else "query"


def asked(client: Client, sent: Mapping[str, str], redirect_uri: str, audience: str) -> Asked:
    """What is asked for, all of it checked. audience: of tokens by default. Raises OAuthError."""
    _check_response(client, sent)
    for name in ("request", "registration"):
        if name in sent:
            raise OAuthError(f"{name}_not_supported", f"{name} is not supported here")
    if "request_uri" in sent:
        raise OAuthError("invalid_request_uri", "request_uri is not good, or no longer")
    if sent.get("code_challenge_method") != "S256" or "code_challenge" not in sent:
        raise OAuthError("invalid_request", "PKCE is required, with code_challenge_method S256")
    if not THUMB.fullmatch(sent["code_challenge"]):
        raise OAuthError("invalid_request", "code_challenge is not of S256")
    if len(sent.get("nonce", "")) > LONGEST_NONCE:
        raise OAuthError("invalid_request", f"nonce has at most {LONGEST_NONCE} characters")
    if "dpop_jkt" in sent and not THUMB.fullmatch(sent["dpop_jkt"]):
        raise OAuthError("invalid_request", "dpop_jkt is no SHA-256 thumbprint")
    check_resource(sent, client.audience or audience)
    default = tuple(each for each in client.scopes if each != OFFLINE)
    return Asked(
        client,
        redirect_uri,
        "redirect_uri" in sent,
        response_mode(sent),
        sent.get("state", ""),
        for_person(sent, client.scopes) if "scope" in sent else default,
        sent["code_challenge"],
        sent.get("nonce", ""),
        _prompt(sent),
        _max_age(sent),
        tuple(sent.get("acr_values", "").split()),
        sent.get("login_hint", "")[:254],
        sent.get("ui_locales", "")[:100],
        sent.get("dpop_jkt", ""),
    )


def _check_response(client: Client, sent: Mapping[str, str]) -> None:
    if "response_type" not in sent:
        raise OAuthError("invalid_request", "response_type is missing")
    if sent["response_type"] != "code":
        raise OAuthError("unsupported_response_type", "response_type is code here")
    if CODE not in client.grants:
        raise OAuthError("unauthorized_client", "the client may not use this grant")
    if sent.get("response_mode", "query") not in RESPONSE_MODES:
        raise OAuthError("invalid_request", "response_mode is query or form_post")


def _prompt(sent: Mapping[str, str]) -> frozenset[str]:
    found = frozenset(sent.get("prompt", "").split())
    if not found <= set(PROMPTS) or ("none" in found and len(found) > 1):
        raise OAuthError("invalid_request", f"prompt is none alone, or of {', '.join(PROMPTS[1:])}")
    return found


def _max_age(sent: Mapping[str, str]) -> int | None:
    if "max_age" not in sent:
        return None
    if not SECONDS.fullmatch(sent["max_age"]):
        raise OAuthError("invalid_request", "max_age is a number of seconds")
    return int(sent["max_age"])
