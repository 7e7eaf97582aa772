"""A provider that speaks OpenID Connect: Google, Microsoft and any other issuer."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from jwt import get_unverified_header

from gateway.jose.keys import KeysUnavailable
from gateway.jose.ring import KeyRing
from gateway.jose.verify import Refused, UnknownKey, Verified, Verifier
from plugins.auth.accounts.sessions import RECENT
from plugins.auth.social import protocol
from plugins.auth.social.egress import Answer, ask, basic
from plugins.auth.social.errors import Declined, Unreachable, Untrusted
from plugins.auth.social.issuers import IssuerRule
from plugins.auth.social.options import ProviderOptions
from plugins.auth.social.person import LONGEST_SUBJECT, Person, text_of, time_of
from plugins.auth.social.published import Metadata, Published
from plugins.auth.social.trips import Departure, Trip

ABOUT = ("email", "email_verified", "name")
ACCESS_TOKENS = frozenset({"at+jwt", "application/at+jwt"})
log = logging.getLogger("gateway.auth.social")


class OpenIdProvider:
    """again: the `prompt` by which it asks whom it knows already; with `max_age` it has to say when
    it did (OpenID Connect Core 3.1.2.1). What it publishes is fetched when
    somebody first comes, and kept fresh from then on."""

    def __init__(self, name: str, options: ProviderOptions, rule: IssuerRule, again: str) -> None:
        self.label = options.label_of(name)
        self._options = options
        self._rule = rule
        self._again = again
        self._published = Published(rule)
        self._ring = KeyRing(log, changed=lambda _: None, counted=lambda _: None)
        self._begun = False

    async def leave(self, redirect_uri: str, trip: Departure, *, again: bool) -> str:
        metadata = await self._metadata()
        more = {"prompt": self._again, "max_age": str(RECENT)} if again else {}
        return protocol.departure(
            metadata.authorization_endpoint,
            self._options.client_id,
            redirect_uri,
            self._options.scope,
            trip,
            nonce=trip.nonce,
            **more,
        )

    async def check_issuer(self, issuer: str | None) -> None:
        """RFC 9207 section 2.4. A template of Microsoft's names no single issuer to compare."""
        metadata = await self._metadata()
        if issuer is None:
            if metadata.says_iss:
                raise Untrusted(f"{metadata.issuer}: an answer without iss")
        elif issuer != metadata.issuer and not self._rule.publishes(issuer):
            raise Untrusted(f"{metadata.issuer}: an answer with the iss of another")

    async def meet(self, redirect_uri: str, trip: Trip, code: str) -> Person:
        metadata = await self._metadata()
        tokens = await self._redeem(metadata, redirect_uri, trip, code)
        token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str) or not isinstance(access_token, str):
            raise Untrusted(f"{metadata.issuer}: an answer without id_token or access_token")
        verified = await self._verified(metadata, token)
        claims = dict(verified.identity.claims)
        issuer = self._rule.believes(
            metadata.issuer, claims, metadata.key_issuers.get(verified.mark)
        )
        if issuer is None:
            raise Untrusted(f"{metadata.issuer}: an id_token of another issuer")
        algorithm = str(get_unverified_header(token)["alg"])
        protocol.check_claims(claims, algorithm, self._options.client_id, trip.nonce, access_token)
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise Untrusted(f"{metadata.issuer}: an id_token without a fit subject")
        if "email" not in claims and metadata.userinfo_endpoint:
            claims |= await self._userinfo(metadata, subject, access_token)
        return self._person(issuer, subject, claims)

    async def stop(self) -> None:
        await self._ring.stop()

    async def _metadata(self) -> Metadata:
        if not self._begun:
            self._begun = True
            await self._ring.start(self._published)
        if self._published.metadata is None and self._ring.flight is not None:
            await asyncio.wait([self._ring.flight])
        if self._published.metadata is None:
            raise Unreachable(f"{self._rule.published_at}: not known yet what it publishes")
        return self._published.metadata

    async def _redeem(
        self, metadata: Metadata, redirect_uri: str, trip: Trip, code: str
    ) -> dict[str, Any]:
        """Raises Declined for a code that is refused: it was used, is too old or another's."""
        options, headers = self._options, {}
        more = {"client_id": options.client_id}
        by_basic = options.auth_method == "client_secret_basic" or (
            metadata.basic and not options.auth_method
        )
        if options.client_secret and by_basic:
            headers["Authorization"] = basic(options.client_id, options.client_secret)
            more = {}
        elif options.client_secret:
            more["client_secret"] = options.client_secret
        form = protocol.redemption(redirect_uri, code, trip.verifier, **more)
        return taken(metadata.issuer, await ask(metadata.token_endpoint, headers, form))

    async def _verified(self, metadata: Metadata, token: str) -> Verified:
        verifier = Verifier(
            metadata.algorithms, audiences=[self._options.client_id], leeway=protocol.LEEWAY
        )
        try:
            found = await self._ring.verified(verifier, token)
        except KeysUnavailable:
            raise Unreachable(f"{metadata.issuer}: its keys are not known") from None
        except UnknownKey:
            why = "an id_token by a key that it does not publish"
            raise Untrusted(f"{metadata.issuer}: {why}") from None
        except Refused as error:
            raise Untrusted(f"{metadata.issuer}: id_token refused: {error.reason}") from None
        if str(get_unverified_header(token).get("typ")).lower() in ACCESS_TOKENS:
            raise Untrusted(f"{metadata.issuer}: an access token for an id_token")
        return found

    async def _userinfo(
        self, metadata: Metadata, subject: str, access_token: str
    ) -> dict[str, Any]:
        """Of the same subject alone (OpenID Connect Core section 5.3.2)."""
        headers = {"Authorization": f"Bearer {access_token}"}
        status, content = await ask(metadata.userinfo_endpoint, headers)
        if status != 200 or not isinstance(content, dict) or content.get("sub") != subject:
            raise Untrusted(f"{metadata.issuer}: userinfo of nobody or of somebody else")
        return {
            each: content[each] for each in ("email", "email_verified", "name") if each in content
        }

    def _person(self, issuer: str, subject: str, claims: dict[str, Any]) -> Person:
        email = text_of(claims.get("email"), 254)
        vouched = bool(email) and self._rule.vouches(claims)
        name, asked = text_of(claims.get("name")), time_of(claims.get("auth_time"))
        return Person(issuer, subject, email, vouched, name, asked)


def taken(issuer: str, answer: Answer) -> dict[str, Any]:
    """The tokens for a code. Raises ProviderError."""
    content = answer.content
    if answer.status >= 500 or answer.status == 429:
        raise Unreachable(f"{issuer}: its token endpoint answered {answer.status}")
    if not isinstance(content, dict):
        raise Untrusted(f"{issuer}: its token endpoint answered {answer.status} and no object")
    if answer.status != 200 or "error" in content:
        error = content.get("error")
        known = error if error in ERRORS else "an error"
        if error == "invalid_grant":
            raise Declined(f"{issuer}: the code was refused")
        raise Untrusted(f"{issuer}: its token endpoint answered {answer.status} {known}")
    return content


ERRORS = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "bad_verification_code",
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
}
