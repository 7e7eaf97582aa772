"""URLs signed by us: HMAC-SHA256 over everything that they allow."""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from backends.blobs.blob import SignedUrl
from backends.errors import Refused


class Grant(NamedTuple):
    """What a signed URL allows: method is GET or PUT.

    content_type: what a PUT's body is to be stored as. filename: what a GET is saved as.
    """

    method: str
    key: str
    content_type: str | None
    filename: str | None


class Signer:
    """secret: of 16 bytes or more, known to all who sign and verify."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "<Signer>"

    def sign(self, public: str, grant: Grant, expires: int) -> SignedUrl:
        """public: the URL below which keys are served. expires: seconds from now."""
        until = int(time.time()) + expires
        query = {"expires": str(until), "signature": self._signature(grant, until)}
        if grant.filename is not None:
            query["filename"] = grant.filename
        if grant.content_type is not None:
            query["type"] = grant.content_type
        url = f"{public.rstrip('/')}/{quote(grant.key)}?{urlencode(query)}"
        return SignedUrl(url, {"Content-Type": grant.content_type} if grant.content_type else {})

    def verify(self, method: str, key: str, query: Mapping[str, str]) -> Grant:
        """Raises Refused. The signature is looked at before the time, in constant time."""
        named = "GET" if method == "HEAD" else method
        grant = Grant(named, key, query.get("type"), query.get("filename"))
        text = query.get("expires", "")
        until = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
        expected = self._signature(grant, until).encode()
        given = query.get("signature", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(expected, given):
            raise Refused("blobs: the URL is not signed for this")
        if time.time() >= until:
            raise Refused("blobs: the signed URL is past its time")
        return grant

    def _signature(self, grant: Grant, until: int) -> str:
        # each part with its length: no two grants have one text
        parts = ["1", grant.method, str(until), grant.key, grant.content_type, grant.filename]
        text = "".join("-" if part is None else f"{len(part)}:{part}" for part in parts)
        digest = hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
