"""Proofs as requests carry them: each for one request, once."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from backends.sql import Sql
from plugins.auth.dpop.nonces import Nonces
from plugins.auth.dpop.options import DpopOptions
from plugins.auth.dpop.proof import ALGORITHMS, BadProof, Proof, hash_of, read, same_place
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.oauth.bearer import TokenError
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.token_endpoint import CNF
from plugins.auth.once.once import Once

FIELD, NONCE = "DPoP", "DPoP-Nonce"


class ProofError(TokenError):
    """Of a request that came with a token and a proof (section 7.1)."""

    @property
    def challenge(self) -> str:
        return f'DPoP error="{self.code}", algs="{" ".join(ALGORITHMS)}"'


class Proofs:
    """issuer: the URL that `htu` begins with, whatever address the request came to."""

    def __init__(
        self,
        sql: Sql,
        issuer: str,
        at_rest: AtRest,
        options: DpopOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._once = Once(sql)
        self._issuer = issuer
        self._options = options
        self._clock = clock
        self._nonces = Nonces(at_rest, clock)

    async def presented(
        self, request: web.Request, path: str, *, token: str | None = None
    ) -> str | None:
        """The thumbprint of the key whose holder sent the request; None without a proof.

        path: under the issuer. token: the access token it must be bound to as well.
        Raises OAuthError (`invalid_dpop_proof`, `use_dpop_nonce`) and BackendError.
        """
        sent = request.headers.getall(FIELD, [])
        if not sent:
            return None
        return await self.holder(sent, request.method, self._issuer + path, token)

    async def holder(
        self, sent: Sequence[str], method: str, url: str, token: str | None = None
    ) -> str:
        """The same, of any request there is. Raises OAuthError for one without a proof too."""
        if len(sent) != 1:
            raise refused("a request has one proof")
        try:
            proof = read(sent[0])
            self._check(proof, method, url, token)
        except BadProof as error:
            raise refused(str(error)) from None
        if self._options.nonce and not self._nonces.good(proof.nonce or ""):
            raise OAuthError("use_dpop_nonce", "the proof needs our nonce", headers=self.fresh())
        until = proof.iat + 2 * self._options.window + 1  # by the clock of the host that prunes
        if not await self._once.first(proof.jkt, proof.jti, until):
            raise refused("the proof was used before")
        return proof.jkt

    async def bind(self, request: web.Request, client: Client) -> None:
        """Before a grant: its tokens are for the key that was proved, if one was.

        Raises OAuthError and BackendError.
        """
        jkt = await self.presented(request, "/token")
        if jkt is not None:
            request[CNF] = {"jkt": jkt}
        elif self._options.required or client.metadata.get("dpop_bound_access_tokens"):
            raise refused("a proof is needed here, and there is none")

    async def proved(
        self, request: web.Request, scheme: str, token: str, claims: Mapping[str, Any]
    ) -> bool:
        """Whether the token in the Authorization field is this sender's to use (section 7).

        Raises ProofError and BackendError.
        """
        if scheme != "dpop" or not claims.get("cnf", {}).get("jkt"):
            return scheme == "bearer" and "cnf" not in claims
        try:
            jkt = await self.presented(request, request.rel_url.raw_path, token=token)
        except OAuthError as error:
            raise ProofError(error.code, error.description, 401, headers=error.headers) from None
        return jkt is not None and jkt == str(claims["cnf"]["jkt"])

    def fresh(self) -> dict[str, str]:
        """The field with the next nonce, when they are asked for."""
        return {NONCE: self._nonces.new()} if self._options.nonce else {}

    def _check(self, proof: Proof, method: str, place: str, token: str | None) -> None:
        if proof.htm != method or not same_place(proof.htu, place):
            raise BadProof("the proof is for another request")
        if abs(self._clock() - proof.iat) > self._options.window:
            raise BadProof("the proof is not of now: is the clock right?")
        if token is not None and not hmac.compare_digest(
            (proof.ath or "").encode(), hash_of(token).encode()
        ):
            raise BadProof("the proof is for another access token")


def refused(why: str) -> OAuthError:
    return OAuthError("invalid_dpop_proof", why)
