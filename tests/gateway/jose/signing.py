"""Real keys, tokens and JWKS servers for the tests of everything that reads tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER = "https://issuer.example"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def new_private_key(algorithm: str, *, bits: int = 2048) -> Any:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "HS256":
        return secrets.token_urlsafe(32)
    return rsa.generate_private_key(65537, bits)


class Signer:
    """A key pair under a name, and the tokens it signs."""

    def __init__(self, algorithm: str, kid: str | None = "one", **options: Any) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.private = new_private_key(algorithm, **options)

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public half; the secret itself for HS256."""
        public = self.private if isinstance(self.private, str) else self.private.public_key()
        made = get_default_algorithms()[self.algorithm].to_jwk(public, as_dict=True)
        for name in ("key_ops", "alg", "use"):
            made.pop(name, None)
        named = {} if self.kid is None else {"kid": self.kid}
        return {**made, **named, **members}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good token, but for what is said here; a claim or header that is None is left out."""
        head = {"kid": self.kid, "typ": "at+jwt", **(header or {})}
        return jwt.encode(
            without_none(good_claims() | claims),
            self.private,
            algorithm=self.algorithm,
            headers=without_none(head) | ({} if head["typ"] else {"typ": None}),
        )

    def raw(self, header: object, payload: object) -> str:
        """Signed as it stands, whatever it is."""
        parts = [encoded(part) for part in (header, payload)]
        signed = ".".join(parts).encode()
        algorithm = get_default_algorithms()[self.algorithm]
        signature = algorithm.sign(signed, algorithm.prepare_key(self.private))
        return ".".join([*parts, encoded(signature)])


@cache
def signer(algorithm: str, kid: str | None = "one") -> Signer:
    """The same one in all tests, as RSA keys take their time."""
    return Signer(algorithm, kid)


def good_claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "sub": "ada", "aud": "api", "exp": now + 300, "iat": now}


def without_none(mapping: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if value is not None}


def encoded(part: object) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def jwks(*entries: Signer | dict[str, Any]) -> dict[str, Any]:
    return {"keys": [each.jwk() if isinstance(each, Signer) else each for each in entries]}


class Issuer:
    """An issuer over HTTP whose answers a test may change; it counts what it is asked."""

    def __init__(self, *signers: Signer) -> None:
        self.document: Any = jwks(*signers)
        self.discovery: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.fetches = 0
        self.status = 200
        self.url = ""

    async def keys(self, request: web.Request) -> web.StreamResponse:
        self.fetches += 1
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers)
        return web.json_response(self.document, headers=self.headers)

    async def configuration(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery}
        )

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_get("/keys", self.keys)
        made.router.add_get("/.well-known/openid-configuration", self.configuration)
        return made


@asynccontextmanager
async def serving(issuer: Issuer, port: int = 0) -> AsyncIterator[Issuer]:
    server = TestServer(issuer.application(), port=port or None)
    await server.start_server()
    issuer.url = str(server.make_url("")).rstrip("/")
    try:
        yield issuer
    finally:
        await server.close()


async def eventually(holds: Callable[[], object]) -> None:
    """Until it holds; a TimeoutError after five seconds."""
    async with asyncio.timeout(5.0):
        while not holds():  # noqa: ASYNC110 - what is waited for knows nothing of events
            await asyncio.sleep(0.01)
