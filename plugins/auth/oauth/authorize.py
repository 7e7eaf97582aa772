"""`/authorize`: a person logs in, agrees, and a client gets a code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.access.choosing import Choosing, Settled
from plugins.auth.access.organisation_scope import (
    ORGANISATION,
    organisation_in,
    remembered,
    scope_of,
)
from plugins.auth.access.scopes import described
from plugins.auth.accounts.sessions import Session
from plugins.auth.audit.log import record
from plugins.auth.oauth import redirects
from plugins.auth.oauth.asked_at import NAME, AskedAt
from plugins.auth.oauth.authorization import Asked, Nowhere, asked, destination, response_mode
from plugins.auth.oauth.clients import Client, Clients
from plugins.auth.oauth.codes import Codes
from plugins.auth.oauth.consents import Consents
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.responses import Responses
from plugins.auth.oauth.strength import steps_up, suffices
from plugins.auth.oauth.token_endpoint import AWAY, BUSY
from plugins.auth.pages.forms import BadForm, body
from plugins.auth.pages.rooms import WITHOUT, Rooms

UNMET = "unmet_authentication_requirements"
"""OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""
LONGEST = 6000
"""Characters of a request: it goes through a log-in as a part of a URL."""
Sent = Mapping[str, str]
Pairs = list[tuple[str, str]]


class PushedRequests(Protocol):
    """**Protocol:** requests of RFC 9126. `take_up` gives what a `request_uri` stands for, and the
    one that this browser goes on with through log-in and consent. Raises OAuthError."""

    def required(self, client: Client) -> bool: ...

    async def take_up(self, client: Client, uri: str) -> tuple[str, Mapping[str, str]]: ...

    async def spend(self, connection: AsyncConnection, uri: str) -> bool: ...


class Authorize:
    def __init__(
        self,
        *,
        sql: Sql,
        rooms: Rooms,
        clients: Clients,
        codes: Codes,
        consents: Consents,
        choosing: Choosing,
        responses: Responses,
        asked_at: AskedAt,
        audience: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._rooms = rooms
        self._clients = clients
        self._codes = codes
        self._consents = consents
        self._choosing = choosing
        self._responses = responses
        self._asked_at = asked_at
        self._audience = audience
        self._clock = clock
        self.pushed: PushedRequests = _NonePushed()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        guarded = self._rooms.guarded
        return [
            web.get("/authorize", guarded(self.page), allow_head=False),
            web.post("/authorize", guarded(self.posted)),
            web.post("/authorize/consent", guarded(self.consent)),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        return await self._handle(request, list(request.query.items()), {})

    async def posted(self, request: web.Request) -> web.StreamResponse:
        """The same by GET: a browser keeps our cookie from forms of other sites."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise BadForm(415, "a request is a form")
        try:
            text = (await body(request)).decode()
            pairs = parse_qsl(text, max_num_fields=50, errors="strict")
        except ValueError:
            raise BadForm(400, "the request cannot be read") from None
        if len(query := urlencode(pairs)) > LONGEST:
            raise BadForm(413, "the request is too long")
        return self._rooms.pages.redirect(f"/authorize?{query}")

    async def consent(self, request: web.Request) -> web.StreamResponse:
        form = await self._rooms.form(request)
        try:
            pairs = parse_qsl(form.get("request", ""), max_num_fields=50, errors="strict")
        except ValueError:
            raise BadForm(400, "the request cannot be read") from None
        return await self._handle(request, pairs, form)

    async def _handle(self, request: web.Request, pairs: Pairs, form: Sent) -> web.StreamResponse:
        sent = {name: value for name, value in pairs if value}
        client = await self._clients.get(sent.get("client_id", ""))
        names = [name for name, value in pairs if value]
        twice = {name for name in names if names.count(name) > 1}
        if client is None or twice & {"client_id", "redirect_uri", "request_uri"}:
            return self._nowhere(request)
        carried = sent.pop(NAME, "")
        if sent.pop(WITHOUT, ""):
            form = {**form, "do": WITHOUT}
        told: Mapping[str, str] = sent
        try:
            if "request_uri" in sent:
                sent["request_uri"], told = await self.pushed.take_up(client, sent["request_uri"])
            elif self.pushed.required(client):
                raise OAuthError("invalid_request", "requests have to be pushed (RFC 9126)")
            uri = destination(client, told)
        except Nowhere:
            return self._nowhere(request)
        except OAuthError as error:
            return self._unresolved(request, client, sent, error)
        mode, state = response_mode(told), told.get("state", "")
        try:
            if twice or len(urlencode(pairs)) > LONGEST:
                raise OAuthError("invalid_request", "a parameter is there twice, or is too long")
            if any("\0" in value for _, value in pairs):
                raise OAuthError("invalid_request", "a parameter has a NUL")
            want = asked(client, told, uri, self._audience)
            return await self._decide(request, want, sent, carried, form)
        except OAuthError as error:
            answer = {"error": error.code, "error_description": error.description}
        except BackendError as error:
            AWAY.warn(error)
            answer = {"error": BUSY.code, "error_description": BUSY.description}
        return self._responses.send(request, uri, mode, state, answer)

    async def _decide(
        self, request: web.Request, want: Asked, sent: Sent, carried: str, form: Sent
    ) -> web.StreamResponse:
        """Log in, agree, go. Raises OAuthError for what the client is told instead."""
        client = want.client
        since = self._asked_at.read(client.id, carried) if carried else None
        session = await self._rooms.sessions.current(request)
        if session is not None and await self._rooms.lacks_factor(session):
            want = replace(want, acr_values=("aal2",))
        if session is None or not suffices(want, session, since, self._now()):
            if "none" in want.prompt:
                raise OAuthError("login_required", "the person has to log in")
            refuses = form.get("do") == WITHOUT and since is not None
            if refuses and session is not None and want.two_factors and session.acr != "aal2":
                raise OAuthError(UNMET, "the person has no second factor")
            kept = carried if since is not None else self._asked_at.seal(client.id)
            return self._log_in(want, session, {**sent, NAME: kept})
        here = form.get("session") == session.id
        if here and form.get("do") == "deny":
            raise OAuthError("access_denied", "the person does not agree")
        chosen = form.get("organisation", "") if here else ""
        settled = await self._settled(want, session, chosen)
        want = replace(want, scopes=settled.scopes)
        given = await self._consents.given(session.account_id, client.id)
        agrees = here and form.get("do") == "allow"
        known = given | {scope_of(chosen)} if chosen else given  # to choose one is to agree to it
        asks = self._must_ask(want, known)
        if settled.among or (asks and not agrees):
            if "none" in want.prompt:
                raise _interaction(asks)
            kept = carried if since is not None else self._asked_at.seal(client.id)
            sent, form = {**sent, NAME: kept}, form if here else {}
            return await self._ask(
                request, want, session, sent, settled=settled, form=form, asks=asks
            )
        async with self._sql.write() as connection:
            if agrees or (chosen and not client.first_party):
                scopes = remembered(given, want.scopes)
                await self._consents.give(connection, session.account_id, client.id, scopes)
            if uri := sent.get("request_uri"):
                await self._spend(connection, uri)
            code = await self._codes.make(connection, want, session)
            await record(
                connection,
                "authorized",
                account=session.account_id,
                client=client.id,
                session=session.id,
                scopes=" ".join(want.scopes),
            )
        return self._responses.send(
            request, want.redirect_uri, want.response_mode, want.state, {"code": code}
        )

    async def _spend(self, connection: AsyncConnection, uri: str) -> None:
        if not await self.pushed.spend(connection, uri):
            raise OAuthError("invalid_request_uri", "request_uri is not good, or no longer")

    async def _settled(self, want: Asked, session: Session, chosen: str) -> Settled:
        """What was chosen before stands while the client has something of it in this session.

        Raises OAuthError and BackendError.
        """
        ask = ORGANISATION in want.scopes and "select_account" not in want.prompt
        if ask and not chosen:
            chosen = await self._choosing.before(session.id, want.client.id)
        return await self._choosing.settled(session.account_id, want.client, want.scopes, chosen)

    def _must_ask(self, want: Asked, given: frozenset[str]) -> bool:
        """RFC 8252 section 8.6: an app's scheme, or port of the device, may be another app's."""
        if "consent" in want.prompt:
            return True
        if want.client.first_party:
            return False
        sure = not want.client.public or redirects.assured(want.redirect_uri)
        return not (sure and given >= set(want.scopes))

    def _log_in(self, want: Asked, session: Session | None, sent: Sent) -> web.Response:
        pages = self._rooms.pages
        values = {"continue": f"{pages.base}/authorize?{urlencode(sent)}"}
        if want.two_factors:
            values["acr"] = "aal2"
        if session is not None and not steps_up(want, session, self._now()):
            values["fresh"] = "1"
        for name in ("login_hint", "ui_locales"):
            if found := getattr(want, name):
                values[name] = found
        return pages.redirect(f"/login?{urlencode(values)}")

    def _now(self) -> int:
        return int(self._clock())

    async def _ask(
        self,
        request: web.Request,
        want: Asked,
        session: Session,
        sent: Sent,
        *,
        settled: Settled,
        form: Sent,
        asks: bool,
    ) -> web.Response:
        """asks: whether the client may. form: what this page has sent, if it has."""
        missing = bool(settled.among) and "do" in form
        account = await self._rooms.directory.get(session.account_id)
        again = f"{self._rooms.pages.base}/authorize?{urlencode(sent)}"
        return self._rooms.pages.render(
            request,
            "consent.html",
            status=400 if missing else 200,
            error=self._rooms.pages.say(request, "Choose an organisation.") if missing else "",
            wrong="organisation" if missing else "",
            asks=asks,
            among=settled.among,
            chosen="" if settled.among else organisation_in(want.scopes),
            client=want.client,
            scopes=want.scopes,
            described=await described(self._sql, want.scopes),
            host=urlsplit(want.redirect_uri).hostname or "",
            email=account.email if account else "",
            session=session.id,
            wish=urlencode(sent),
            other=urlencode({"fresh": "1", "continue": again}),
        )

    def _unresolved(
        self, request: web.Request, client: Client, sent: Sent, error: OAuthError
    ) -> web.Response:
        """Told to the client where it says itself where, and that is registered."""
        try:
            uri = destination(client, sent)
        except Nowhere:
            return self._nowhere(request)
        answer = {"error": error.code, "error_description": error.description}
        mode, state = response_mode(sent), sent.get("state", "")
        return self._responses.send(request, uri, mode, state, answer)

    def _nowhere(self, request: web.Request) -> web.Response:
        return self._rooms.message(
            request,
            "This link does not work",
            "The application that sent you here is not known, or asks to send you where it is not "
            "registered. Tell those who run it.",
            path="/account",
            label="Your account",
            status=400,
        )


def _interaction(asks: bool) -> OAuthError:
    """OpenID Connect Core 3.1.2.6."""
    if asks:
        return OAuthError("consent_required", "the person has to agree")
    return OAuthError("interaction_required", "the person has to choose an organisation")


class _NonePushed:
    def required(self, client: Client) -> bool:
        return False

    async def take_up(self, client: Client, uri: str) -> tuple[str, Mapping[str, str]]:
        raise OAuthError("request_uri_not_supported", "request_uri is not supported here")

    async def spend(self, connection: AsyncConnection, uri: str) -> bool:
        return False
