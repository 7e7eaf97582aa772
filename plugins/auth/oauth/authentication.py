"""How a client says who it is (RFC 6749 section 2.3, RFC 7521 section 4.2)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

from aiohttp import web

from plugins.auth.assertions.claimed import claimed
from plugins.auth.oauth.errors import OAuthError, invalid_client

BASIC, POST = SECRET_METHODS = ("client_secret_basic", "client_secret_post")
PRIVATE_KEY_JWT, NONE = "private_key_jwt", "none"
CONFIDENTIAL = (*SECRET_METHODS, PRIVATE_KEY_JWT)
METHODS = (*CONFIDENTIAL, NONE)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def credentials(request: web.Request, sent: Mapping[str, str]) -> tuple[str, str, str]:
    """Method, id, and secret or assertion, of which a public client has none.

    Raises OAuthError for none, and for more than one method.
    """
    headers = request.headers.getall("Authorization", [])
    if "client_assertion" in sent or "client_assertion_type" in sent:
        return _asserted(sent, alone=not headers and "client_secret" not in sent)
    if len(headers) > 1 or (headers and "client_secret" in sent):
        raise OAuthError("invalid_request", "a client authenticates in one way only")
    if not headers:
        if not sent.get("client_id"):
            raise invalid_client()
        if not sent.get("client_secret"):
            return NONE, sent["client_id"], ""
        return POST, sent["client_id"], sent["client_secret"]
    client_id, secret = _basic(headers[0])
    if sent.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "client_id is not that of the Authorization field")
    return BASIC, client_id, secret


def _asserted(sent: Mapping[str, str], *, alone: bool) -> tuple[str, str, str]:
    """`invalid_client` for all that is wrong, as RFC 7521 section 4.2.1 has it."""
    text = sent.get("client_assertion", "")
    client_id = claimed(text)
    if not alone or client_id is None or sent.get("client_assertion_type") != ASSERTION:
        raise invalid_client()
    if sent.get("client_id", client_id) != client_id:
        raise invalid_client()
    return PRIVATE_KEY_JWT, client_id, text


def _basic(header: str) -> tuple[str, str]:
    """Both are form-urlencoded within (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 1000:
        raise invalid_client()
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, secret = pair.partition(":")
        found = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise invalid_client() from None
    if not colon:
        raise invalid_client()
    return found
