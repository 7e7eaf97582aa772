"""/admin/users, and their sessions."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from backends.sql import Sql
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.listing import listed
from plugins.auth.accounts.operators import Operators
from plugins.auth.accounts.sessions import Session, Sessions
from plugins.auth.admin.operation import Call, Operation, Refusal, changed, there
from plugins.auth.admin.paging import Limit, Text, cursor_of, read

Locale = Literal["en", "es"]
Email = Annotated[str, msgspec.Meta(max_length=254)]
Roles = Annotated[list[Annotated[str, msgspec.Meta(max_length=100)]], msgspec.Meta(max_length=100)]


class User(msgspec.Struct, frozen=True):
    """created_at, updated_at: UTC seconds since 1970."""

    id: str
    email: str
    email_verified: bool
    name: str
    locale: str
    roles: list[str]
    disabled: bool
    created_at: int
    updated_at: int


class Users(msgspec.Struct, frozen=True):
    """next: the cursor of the page that follows, if there may be one."""

    users: list[User]
    next: str | None


class UserQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """q: part of an address or a name. role: held by the account itself."""

    q: Text = ""
    role: Text = ""
    disabled: bool | None = None
    cursor: Text = ""
    limit: Limit = 50


class Invited(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    name: Text = ""
    locale: Locale = "en"
    roles: Roles = []


class UserChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is left out stays."""

    email: Email | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    roles: Roles | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class UserSession(msgspec.Struct, frozen=True):
    """Times are UTC seconds since 1970. amr: RFC 8176."""

    id: str
    created_at: int
    seen_at: int
    auth_time: int
    amr: list[str]
    address: str
    agent: str


class UserSessions(msgspec.Struct, frozen=True):
    """A hundred at most, the last seen first."""

    sessions: list[UserSession]


class Ended(msgspec.Struct, frozen=True):
    ended: int


class PeopleApi:
    def __init__(
        self, sql: Sql, directory: Directory, sessions: Sessions, operators: Operators
    ) -> None:
        self._sql = sql
        self._directory = directory
        self._sessions = sessions
        self._operators = operators

    def operations(self) -> list[Operation]:
        users, one, all_ = "/admin/users", "/admin/users/{id}", "/admin/users/{id}/sessions"
        return [
            Operation("GET", users, "List users", self.page, Users, query=UserQuery),
            Operation("POST", users, "Invite by mail", self.invite, User, Invited, status=201),
            Operation("GET", one, "A user", self.get, User),
            Operation("PATCH", one, "Change a user", self.change, User, UserChange),
            Operation("DELETE", one, "Delete a user", self.delete),
            Operation(
                "POST", f"{one}/password-reset", "Take the password away, mail how to choose one",
                self.require_reset,
            ),
            Operation("POST", f"{one}/unlock", "Forget wrong passwords", self.unlock),
            Operation("GET", all_, "Sessions of a user", self.sessions, UserSessions),
            Operation("DELETE", all_, "End all sessions", self.end_all, Ended),
            Operation("DELETE", f"{all_}/{{session}}", "End a session", self.end_one),
        ]  # fmt: skip

    async def page(self, call: Call) -> Users:
        query: UserQuery = call.query
        found = await listed(
            self._sql,
            text=query.q,
            role=query.role,
            disabled=query.disabled,
            after=read(query.cursor),
            limit=query.limit,
        )
        more = cursor_of(found[-1].created_at, found[-1].id) if len(found) == query.limit else None
        return Users([user_of(account) for account in found], more)

    async def invite(self, call: Call) -> User:
        sent: Invited = call.body
        made = await self._operators.invite(
            sent.email, sent.name, sent.locale, sent.roles, call.actor
        )
        if made is None:
            raise Refusal(409, "there is an account with that address")
        return user_of(made)

    async def get(self, call: Call) -> User:
        return user_of(there(await self._directory.get(call.path["id"]), "user"))

    async def change(self, call: Call) -> User:
        values = changed(call.body)
        if not values:
            raise Refusal(400, "nothing is to be changed")
        found = await self._operators.update(call.path["id"], values, call.actor)
        return user_of(there(found, "user"))

    async def delete(self, call: Call) -> None:
        there(await self._operators.delete(call.path["id"], call.actor), "user")

    async def require_reset(self, call: Call) -> None:
        there(await self._operators.require_reset(call.path["id"], call.actor), "user")

    async def unlock(self, call: Call) -> None:
        account = there(await self._directory.get(call.path["id"]), "user")
        await self._operators.unlock(account, call.actor)

    async def sessions(self, call: Call) -> UserSessions:
        account = there(await self._directory.get(call.path["id"]), "user")
        living = await self._sessions.of_account(account.id)
        return UserSessions([_session_of(each) for each in living])

    async def end_all(self, call: Call) -> Ended:
        account = there(await self._directory.get(call.path["id"]), "user")
        return Ended(await self._operators.end_sessions(account.id, None, call.actor))

    async def end_one(self, call: Call) -> None:
        account, session = call.path["id"], call.path["session"]
        there(await self._operators.end_sessions(account, session, call.actor) > 0, "session")


def user_of(account: Account) -> User:
    return User(
        account.id,
        account.email,
        account.email_verified,
        account.name,
        account.locale,
        sorted(account.roles),
        account.disabled,
        account.created_at,
        account.updated_at,
    )


def _session_of(session: Session) -> UserSession:
    return UserSession(
        session.id,
        session.created_at,
        session.seen_at,
        session.auth_time,
        list(session.amr),
        session.address,
        session.agent,
    )
