"""The rooms of access, put together."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from backends.sql import Sql
from gateway import Context
from plugins.auth.access.allowed import Allowed
from plugins.auth.access.api_keys import ApiKeys
from plugins.auth.access.claims import claims_for
from plugins.auth.access.epoch import Epoch
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
from plugins.auth.accounts.attempts import Attempts


class Access:
    """Constructed without I/O; `start` before anything is asked of `allowed` and `known_keys`."""

    def __init__(
        self, context: Context, options: AccessOptions, issuer: str, attempts: Attempts
    ) -> None:
        sql: Sql = context.backends.sql
        self.options = options
        self.epoch = Epoch(sql, context.broadcast)
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
        self.epoch.on_round(self.known_keys.write_down)

    async def start(self) -> Callable[[], None]:
        """What it answers ends it. Raises BackendError."""
        return await self.epoch.start()

    async def claims_for(
        self, subject: str, scopes: Collection[str], organisation: str | None = None
    ) -> dict[str, Any]:
        """More claims of a token. Raises BackendError."""
        return await claims_for(self.principals, subject, scopes, organisation)
