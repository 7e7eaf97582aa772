"""A token for the admin API, for whoever may run programs on the host."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Mapping

from backends.sql import Sql
from gateway.errors import GatewayError
from gateway.plugin import Command
from plugins.auth.accounts.admins import is_admin
from plugins.auth.accounts.listing import with_address
from plugins.auth.admin.gate import SCOPE
from plugins.auth.audit.actor import COMMAND
from plugins.auth.audit.log import record
from plugins.auth.commands.everyday import shown
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.access_tokens import AccessTokens
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.options import TokenOptions

LASTS = 600
PROGRAM = Client("ait-gateway", "ait-gateway", NONE, frozenset(), (SCOPE,))
"""It is not registered, so nobody else can be it."""


class AdminToken:
    def __init__(self, sql: Sql, issuer: str, keyring: Callable[[], Awaitable[Keyring]]) -> None:
        self._sql = sql
        self._issuer = issuer
        self._keyring = keyring

    def all(self) -> Mapping[str, Command]:
        words = f"Print a token of an admin for the admin API, good for {LASTS // 60} minutes."
        return {"admin-token": Command(words, _arguments, self.run)}

    async def run(self, options: Namespace) -> None:
        account = await with_address(self._sql, options.email)
        if account is None or not await is_admin(self._sql, account.id):
            raise GatewayError("no admin has that address")
        tokens = AccessTokens(
            self._issuer, TokenOptions(access_lifetime=LASTS), await self._keyring()
        )
        issued = tokens.issue(account.id, PROGRAM, [SCOPE])
        async with self._sql.write() as connection:
            name, address = COMMAND
            event = "admin_token_issued"
            await record(connection, event, account=account.id, actor=name, address=address)
        shown(issued)


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--email", required=True, help="of an admin")
