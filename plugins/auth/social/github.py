"""GitHub, which speaks OAuth 2 with PKCE and has people behind an API of its own."""

from __future__ import annotations

from typing import Any

from plugins.auth.social import protocol
from plugins.auth.social.egress import ask
from plugins.auth.social.errors import Declined, Unreachable, Untrusted
from plugins.auth.social.openid import taken
from plugins.auth.social.options import ISSUERS, ProviderOptions
from plugins.auth.social.person import Person, text_of
from plugins.auth.social.trips import Departure, Trip

API = "https://api.github.com"
SPENT = "bad_verification_code"


class GitHubProvider:
    """Of github.com, or of an Enterprise Server whose API is below /api/v3."""

    def __init__(self, name: str, options: ProviderOptions) -> None:
        self.label = options.label_of(name)
        self._options = options
        self._base = options.base.rstrip("/")
        self._api = API if self._base == ISSUERS["github"] else f"{self._base}/api/v3"

    async def leave(self, redirect_uri: str, trip: Departure, *, again: bool) -> str:
        options = self._options
        more = {"prompt": "select_account"} if again else {}
        return protocol.departure(
            f"{self._base}/login/oauth/authorize",
            options.client_id,
            redirect_uri,
            options.scope,
            trip,
            **more,
        )

    async def check_issuer(self, issuer: str | None) -> None:
        if issuer not in {None, self._base, f"{self._base}/login/oauth"}:
            raise Untrusted(f"{self._base}: an answer with the iss of another")

    async def meet(self, redirect_uri: str, trip: Trip, code: str) -> Person:
        options = self._options
        form = protocol.redemption(
            redirect_uri,
            code,
            trip.verifier,
            client_id=options.client_id,
            client_secret=options.client_secret,
        )
        answer = await ask(f"{self._base}/login/oauth/access_token", {}, form)
        if isinstance(answer.content, dict) and answer.content.get("error") == SPENT:
            raise Declined(f"{self._base}: the code was refused")  # with status 200
        token = taken(self._base, answer).get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Untrusted(f"{self._base}: an answer without an access_token")
        user = await self._about(token, "/user")
        number = user.get("id") if isinstance(user, dict) else None
        if type(number) is not int or number <= 0:
            raise Untrusted(f"{self._base}: /user without an id")
        email = _mailbox(await self._about(token, "/user/emails", optional=True))
        return Person(self._base, str(number), email, bool(email), text_of(user.get("name")))

    async def stop(self) -> None:
        return

    async def _about(self, token: str, path: str, *, optional: bool = False) -> Any:
        """optional: None when the person gave no leave to read it."""
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        status, content = await ask(self._api + path, headers)
        if status == 200:
            return content
        if optional and status in {403, 404}:
            return None
        raise Unreachable(f"{self._base}: {path} answered {status}")


def _mailbox(listed: object) -> str:
    """The primary one, if GitHub has verified it."""
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and each.get("primary") is True and each.get("verified") is True:
            return text_of(each.get("email"), 254)
    return ""
