"""How a client says who it is (RFC 6749 section 2.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

from aiohttp import web

from plugins.auth.oauth.errors import OAuthError, invalid_client

BASIC, POST, NONE = METHODS = ("client_secret_basic", "client_secret_post", "none")
SECRET_METHODS = (BASIC, POST)


def credentials(request: web.Request, sent: Mapping[str, str]) -> tuple[str, str, str]:
    """Method, id, and secret, of which a public client has none.

    Raises OAuthError for none, and for more than one method.
    """
    headers = request.headers.getall("Authorization", [])
    if len(headers) > 1 or (headers and "client_secret" in sent):
        raise OAuthError("invalid_request", "a client authenticates in one way only")
    if "client_assertion" in sent or "client_assertion_type" in sent:
        raise invalid_client()
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
