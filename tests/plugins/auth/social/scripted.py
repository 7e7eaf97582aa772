"""A provider that says what a test wants: an issuer of OpenID Connect, Microsoft's paths, GitHub's.

It is for answers that no honest server gives, and for services that cannot be had here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.engines.engine import HOST, free_port

CLIENT, SECRET = "gateway", "upstream-secret-7d1f"
TENANT = "11111111-2222-3333-4444-555555555555"
SHAPES = {"none", "HS256"}


class Asked(NamedTuple):
    """What an authorization request had."""

    nonce: str
    challenge: str
    redirect_uri: str


class Scripted:
    """claims, header, answer, metadata and userinfo replace what it would say; None takes it out.

    algorithm: ES256, or a forgery: `none`, or `HS256` with the public key as the secret.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.tenant = ""
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.jwk: dict[str, Any] = {}
        self.answer: web.Response | None = None
        self.algorithm = "ES256"
        self.user: Any = {"id": 583231, "login": "octocat", "name": "Some Ada"}
        self.emails: Any = [
            {"email": "old@example.org", "primary": False, "verified": True},
            {"email": "ada@example.org", "primary": True, "verified": True},
        ]
        self.emails_status = 200
        self.asked: dict[str, Asked] = {}
        self.new_key()

    def new_key(self, kid: str = "") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.kid = kid or secrets.token_hex(4)

    async def start(self) -> None:
        app = web.Application()
        for below in ("", "/{tenant}/v2.0"):
            app.router.add_get(f"{below}/.well-known/openid-configuration", self._metadata)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        app.router.add_get("/userinfo", self._userinfo)
        app.router.add_post("/login/oauth/access_token", self._github_token)
        app.router.add_get("/api/v3/user", self._github_user)
        app.router.add_get("/api/v3/user/emails", self._github_emails)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def back(self, leaving: str, **more: str) -> str:
        """The address of the callback, for a browser that came by this one."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(leaving).query).items()}
        assert query["code_challenge_method"] == "S256"
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT)
        code = secrets.token_urlsafe(8)
        self.asked[code] = Asked(
            query.get("nonce", ""), query["code_challenge"], query["redirect_uri"]
        )
        said = {"code": code, "state": query["state"], **more}
        return f"{query['redirect_uri']}?" + "&".join(f"{name}={said[name]}" for name in said)

    def id_token(self, nonce: str, access_token: str) -> str:
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = without_none(
            {
                "iss": self.url,
                "sub": "ada-1",
                "aud": CLIENT,
                "iat": now,
                "exp": now + 300,
                "nonce": nonce,
                "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
                "email": "ada@example.org",
                "email_verified": True,
                **self.claims,
            }
        )
        header = without_none({"kid": self.kid, **self.header})
        if self.algorithm in SHAPES:
            return self._forged(claims, header)
        return jwt.encode(claims, self.key, "ES256", headers=header)

    def _forged(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        parts = [encoded({"alg": self.algorithm, "typ": "JWT", **header}), encoded(claims)]
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        made = hmac.digest(public, ".".join(parts).encode(), "sha256")
        signature = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
        return ".".join([*parts, signature if self.algorithm == "HS256" else ""])

    async def _metadata(self, request: web.Request) -> web.Response:
        tenant = request.match_info.get("tenant")
        issuer = f"{self.url}/{self.tenant or '{tenantid}'}/v2.0" if tenant else self.url
        said = {
            "issuer": issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["none", "HS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        return web.json_response(without_none({**said, **self.metadata}))

    async def _keys(self, _: web.Request) -> web.Response:
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return web.json_response({"keys": [{**jwk, "kid": self.kid, "use": "sig", **self.jwk}]})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.asked.pop(str(form["code"]), None)
        assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
        if asked is None or not proved(asked, form):
            return web.json_response({"error": "invalid_grant"}, status=400)
        if self.answer is not None:
            return self.answer
        token = self.id_token(asked.nonce, "opaque")
        return web.json_response(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": token}
        )

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer opaque"
        said = {"sub": "ada-1", "email": "ada@example.org", "email_verified": True}
        return web.json_response({**said, **self.userinfo})

    async def _github_token(self, request: web.Request) -> web.Response:
        """Which answers 200 to whatever is wrong."""
        form = await request.post()
        asked = self.asked.pop(str(form["code"]), None)
        if form["client_secret"] != SECRET:
            return web.json_response({"error": "incorrect_client_credentials"})
        if asked is None or not proved(asked, form):
            return web.json_response({"error": "bad_verification_code"})
        assert request.headers["Accept"] == "application/json"
        return self.answer or web.json_response({"access_token": "gho_x", "token_type": "bearer"})

    async def _github_user(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer gho_x"
        return web.json_response(self.user)

    async def _github_emails(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer gho_x"
        return web.json_response(self.emails, status=self.emails_status)


def proved(asked: Asked, form: Any) -> bool:
    made = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
    challenge = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
    return bool(challenge == asked.challenge and form["redirect_uri"] == asked.redirect_uri)


def without_none(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
