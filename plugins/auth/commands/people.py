"""What an operator does about accounts and the log without a browser."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from backends.sql import Sql
from gateway.errors import GatewayError
from gateway.plugin import Command
from plugins.auth.access.errors import Missing
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.errors import AccountError
from plugins.auth.accounts.listing import listed, with_address
from plugins.auth.accounts.operators import Operators
from plugins.auth.accounts.ways_in import WaysIn
from plugins.auth.audit.actor import COMMAND, Actor
from plugins.auth.audit.exporting import FORMATS, exported
from plugins.auth.audit.reading import Wanted, everything
from plugins.auth.commands.everyday import shown

MOST = 10000
RoleChange = Callable[[str, str, Actor], Awaitable[Account | None]]


class PeopleCommands:
    """Accounts are named by their address or their id."""

    def __init__(
        self, sql: Sql, directory: Directory, operators: Operators, ways_in: WaysIn
    ) -> None:
        self._sql = sql
        self._directory = directory
        self._operators = operators
        self._ways_in = ways_in

    def all(self) -> Mapping[str, Command]:
        return {
            "list-users": Command(
                f"Print accounts as JSON, the newest first, {MOST} at most.",
                _of_list,
                self.list_users,
            ),
            "disable-user": _about_one(
                "Let somebody in no more, and end all sessions.",
                partial(self.change, {"disabled": True}),
            ),
            "enable-user": _about_one(
                "Let somebody in again.", partial(self.change, {"disabled": False})
            ),
            "unlock-user": _about_one(
                "Forget wrong passwords, so that a locked account opens.", self.unlock
            ),
            "require-reset": _about_one(
                "Take the password away, end all sessions and mail how to choose another.",
                self.require_reset,
            ),
            "remove-factors": _about_one(
                "Take all second factors and passkeys away, which are lost; end all sessions.",
                self.remove_factors,
            ),
            "grant-role": _about_role(
                "Give somebody a role.", partial(self.change_role, self._operators.give_role)
            ),
            "revoke-role": _about_role(
                "Take a role from somebody.", partial(self.change_role, self._operators.take_role)
            ),
            "revoke-sessions": _about_one("End all sessions of somebody.", self.revoke_sessions),
            "export-audit": Command(
                "Write the audit log to standard output, the oldest line first.",
                _of_export,
                self.export_audit,
            ),
        }

    async def list_users(self, options: Namespace) -> None:
        found = await listed(self._sql, text=options.text, role=options.role, limit=MOST)
        shown([told(account) for account in found])

    async def change(self, values: Mapping[str, Any], options: Namespace) -> None:
        account = await self._named(options.user)
        try:
            changed = await self._operators.update(account.id, values, COMMAND)
        except AccountError as error:
            raise GatewayError(str(error)) from None
        shown(told(changed or account))

    async def change_role(self, change: RoleChange, options: Namespace) -> None:
        account = await self._named(options.user)
        try:
            changed = await change(account.id, options.role, COMMAND)
        except (AccountError, Missing) as error:
            raise GatewayError(str(error)) from None
        shown(told(changed or account))

    async def unlock(self, options: Namespace) -> None:
        account = await self._named(options.user)
        await self._operators.unlock(account, COMMAND)
        shown(told(account))

    async def require_reset(self, options: Namespace) -> None:
        account = await self._named(options.user)
        await self._operators.require_reset(account.id, COMMAND)
        shown(told(account))

    async def remove_factors(self, options: Namespace) -> None:
        account = await self._named(options.user)
        removed = await self._ways_in.remove_factors(account.id, None, COMMAND)
        shown({"account_id": account.id, "removed": removed or 0})

    async def revoke_sessions(self, options: Namespace) -> None:
        account = await self._named(options.user)
        ended = await self._operators.end_sessions(account.id, None, COMMAND)
        shown({"account_id": account.id, "ended": ended})

    async def export_audit(self, options: Namespace) -> None:
        wanted = Wanted(
            account=options.account,
            client=options.client,
            actor=options.actor,
            event=options.event,
            since=options.since,
            until=options.until,
        )
        async for part in exported(everything(self._sql, wanted), options.format):
            sys.stdout.write(part.decode())

    async def _named(self, user: str) -> Account:
        found = await (with_address(self._sql, user) if "@" in user else self._directory.get(user))
        if found is None:
            raise GatewayError("there is no such account")
        return found


def told(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.id,
        "email": account.email,
        "email_verified": account.email_verified,
        "name": account.name,
        "roles": sorted(account.roles),
        "disabled": account.disabled,
        "created_at": account.created_at,
    }


def _about_one(words: str, run: Any) -> Command:
    def arguments(parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="an e-mail address, or an account's id")

    return Command(words, arguments, run)


def _about_role(words: str, run: Any) -> Command:
    def arguments(parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="an e-mail address, or an account's id")
        parser.add_argument("role", metavar="ROLE", help="its name")

    return Command(words, arguments, run)


def _of_list(parser: ArgumentParser) -> None:
    parser.add_argument("--text", default="", help="part of the address or the name")
    parser.add_argument("--role", default="", help="only those who have it")


def _of_export(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="ndjson")
    for name in ("account", "client", "actor", "event"):
        parser.add_argument(f"--{name}", default="", help="only lines about it")
    for name in ("since", "until"):
        parser.add_argument(f"--{name}", type=int, default=0, help="seconds since 1970, UTC")
