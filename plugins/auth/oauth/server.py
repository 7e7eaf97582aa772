"""The rooms of OAuth 2 and OpenID Connect, put together."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from backends.sql import Sql
from plugins.auth.access.choosing import Choosing
from plugins.auth.access.organisations import Organisations
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.access_tokens import AccessTokens
from plugins.auth.oauth.asked_at import AskedAt
from plugins.auth.oauth.authorize import Authorize
from plugins.auth.oauth.bearer import Bearer
from plugins.auth.oauth.client_changes import ClientChanges
from plugins.auth.oauth.clients import CODE, REFRESH, Clients
from plugins.auth.oauth.codes import Codes
from plugins.auth.oauth.consents import Consents
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.endpoints import Endpoints
from plugins.auth.oauth.grants import Grants
from plugins.auth.oauth.options import TokenOptions
from plugins.auth.oauth.person_tokens import PersonTokens
from plugins.auth.oauth.reading import Reading
from plugins.auth.oauth.refreshing import Refreshing
from plugins.auth.oauth.responses import Responses
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.token_endpoint import Counted, TokenEndpoint
from plugins.auth.oauth.token_state import TokenState
from plugins.auth.oauth.userinfo import UserInfo
from plugins.auth.pages.apps import Apps
from plugins.auth.pages.rooms import Rooms


class Server:
    """What other rooms build upon is public: the token endpoint takes their grants, `grants` and
    `person_tokens` make what a person's client is given, `choosing` says for which organisation,
    `authorize` takes pushed requests."""

    def __init__(
        self,
        *,
        sql: Sql,
        issuer: str,
        options: TokenOptions,
        clients: Clients,
        keyring: Keyring,
        at_rest: AtRest,
        revoked: Revoked,
        rooms: Rooms,
        organisations: Organisations,
        counted: Counted,
    ) -> None:
        sessions = rooms.sessions
        self.access_tokens = AccessTokens(issuer, options, keyring)
        self.person_tokens = PersonTokens(issuer, self.access_tokens, keyring)
        self.ending = Ending(revoked)
        self.client_changes = ClientChanges(sql, clients, self.ending)
        self.grants = Grants(sql, at_rest, self.ending, options)
        self.choosing = Choosing(sql, organisations)
        self.consents = Consents(sql, self.ending)
        self.codes = Codes(
            sql=sql,
            grants=self.grants,
            ending=self.ending,
            sessions=sessions,
            tokens=self.person_tokens,
        )
        self.reading = Reading(issuer, keyring, revoked)
        self.bearer = Bearer(self.reading)
        self.token = TokenEndpoint(clients, self.access_tokens, counted)
        self.token.add(CODE, self.codes.handle)
        self.token.add(REFRESH, Refreshing(sql, self.grants, sessions, self.person_tokens).handle)
        self.authorize = Authorize(
            sql=sql,
            rooms=rooms,
            clients=clients,
            codes=self.codes,
            consents=self.consents,
            choosing=self.choosing,
            responses=Responses(issuer, rooms.pages),
            asked_at=AskedAt(at_rest),
            audience=self.access_tokens.audience,
        )
        self.endpoints = Endpoints(
            issuer,
            keyring,
            self.token,
            TokenState(
                sql=sql,
                clients=clients,
                reading=self.reading,
                revoked=revoked,
                grants=self.grants,
                ending=self.ending,
            ),
            UserInfo(self.bearer, rooms.directory),
        )
        self._apps = Apps(rooms, sql, self.consents)
        sessions.on_end(self.ending.sessions)
        organisations.on_leave(self.ending.memberships)
        rooms.changes.on_leave(self.ending.account)
        rooms.changes.on_export("applications", self.consents.exported)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [*self.endpoints.routes(), *self.authorize.routes(), *self._apps.routes()]
