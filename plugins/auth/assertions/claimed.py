"""Which client an assertion says it is from, before it is verified (RFC 7523 section 3)."""

from __future__ import annotations

import json

from jwt.utils import base64url_decode

from gateway.jose.verify import COMPACT, MAX_TOKEN


def claimed(text: str) -> str | None:
    """`iss`, which is `sub`: the client's id. None for what is no assertion."""
    if len(text) > MAX_TOKEN or not COMPACT.fullmatch(text):
        return None
    try:
        claims = json.loads(base64url_decode(text.split(".")[1]))
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict) or claims.get("iss") != claims.get("sub"):
        return None
    found = claims.get("iss")
    return found if isinstance(found, str) else None
