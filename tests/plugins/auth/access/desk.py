"""The rooms of access on one database, and people to try them on."""

from __future__ import annotations

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.access.api_keys import ApiKeys
from plugins.auth.access.grants import Grants
from plugins.auth.access.groups import Groups
from plugins.auth.access.invitations import Invitations
from plugins.auth.access.options import AccessOptions
from plugins.auth.access.organisations import Organisations
from plugins.auth.access.roles import Roles
from plugins.auth.access.scopes import Scopes
from plugins.auth.access.service_accounts import ServiceAccounts
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.operators import Operators
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.audit.actor import COMMAND
from plugins.auth.cache.epoch import Epochs
from tests.plugins.auth.people import ADDRESS, PASSWORD, People


class Desk:
    def __init__(self, sql: Sql, options: AccessOptions | None = None) -> None:
        options = options or AccessOptions()
        self.sql = sql
        self.people = People(sql)
        self.clock = self.people.clock
        self.epochs = Epochs(sql, Subscribers())
        self.epoch = self.epochs.access
        self.roles = Roles(sql, self.epoch, self.clock)
        self.scopes = Scopes(sql, self.epoch, self.clock)
        self.groups = Groups(sql, self.epoch, self.clock)
        self.grants = Grants(sql, self.epoch, self.clock)
        self.services = ServiceAccounts(sql, self.epoch, self.clock)
        self.keys = ApiKeys(sql, self.epoch, options, self.clock)
        sessions = Sessions(sql, self.people.options, "http://localhost/auth", self.clock)
        changes = Changes(sql, self.epoch, self.people.directory, sessions, self.clock)
        self.operators = Operators(
            sql, self.epoch, self.people.directory, sessions, changes, clock=self.clock
        )
        self.organisations = Organisations(sql, self.epoch, options, self.clock)
        self.invitations = Invitations(
            sql, self.epoch, options, self.people.directory.attempts, self.clock
        )

    async def person(self, name: str, *, verified: bool = True) -> str:
        made = await self.people.directory.register(
            f"{name}@example.org", PASSWORD, ADDRESS, verified=verified, letter=False
        )
        assert made is not None
        return made

    async def account(self, account_id: str) -> Account:
        found = await self.people.directory.get(account_id)
        assert found is not None
        return found

    async def set_roles(self, account_id: str, *names: str) -> Account | None:
        return await self.operators.update(account_id, {"roles": names}, COMMAND)
