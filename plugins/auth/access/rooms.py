"""The rooms of access, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from backends.sql import Sql
from plugins.auth.access.allowed import Allowed
from plugins.auth.access.api_keys import ApiKeys
from plugins.auth.access.claims import claims_for
from plugins.auth.access.ended_clients import EndedClients
from plugins.auth.access.grants import Grants
from plugins.auth.access.groups import Groups
from plugins.auth.access.invitations import Invitations
from plugins.auth.access.known_keys import KnownKeys
from plugins.auth.access.options import AccessOptions
from plugins.auth.access.organisations import Organisations
from plugins.auth.access.principals import Principals
from plugins.auth.access.roles import Roles
from plugins.auth.access.scopes import Scopes
from plugins.auth.access.service_accounts import ServiceAccounts
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.attempts import Attempts
from plugins.auth.cache.epoch import Epochs
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError


class Access:
    """Constructed without I/O."""

    def __init__(
        self,
        sql: Sql,
        epochs: Epochs,
        options: AccessOptions,
        issuer: str,
        attempts: Attempts,
    ) -> None:
        self.options = options
        self.epoch = epochs.access
        self.roles = Roles(sql, self.epoch)
        self.scopes = Scopes(sql, self.epoch)
        self.groups = Groups(sql, self.epoch)
        self.grants = Grants(sql, self.epoch)
        self.service_accounts = ServiceAccounts(sql, self.epoch)
        self.api_keys = ApiKeys(sql, self.epoch, options)
        self.organisations = Organisations(sql, self.epoch, options)
        self.invitations = Invitations(sql, self.epoch, options, attempts)
        self.principals = Principals(sql, self.epoch)
        self.allowed = Allowed(sql, self.epoch, issuer, self.principals)
        self.known_keys = KnownKeys(sql, self.epoch, issuer, self.principals)
        self.ended_clients = EndedClients(sql, self.epoch)
        epochs.on_round(self.ended_clients.refresh)
        epochs.on_round(self.known_keys.write_down)

    async def person_claims(
        self, account: Account, client: Client, scopes: Sequence[str]
    ) -> Mapping[str, Any]:
        """More claims of a person's access token. Raises BackendError."""
        return await claims_for(self.principals, account.id, scopes)

    async def client_claims(self, client: Client, scopes: Sequence[str]) -> Mapping[str, Any]:
        """More claims of a client's own access token. Raises BackendError."""
        return await claims_for(self.principals, client.id, scopes)

    async def not_disabled(self, request: web.Request, client: Client) -> None:
        """Raises OAuthError for the client of a disabled service account, and BackendError."""
        if await self.principals.disabled(client.id):
            raise OAuthError("unauthorized_client", "the service account is disabled")
