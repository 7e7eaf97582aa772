"""What every page needs, and what it does about people who are not logged in."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web

from backends.errors import BackendError
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.directory import Directory, Proved
from plugins.auth.accounts.entering import Entering
from plugins.auth.accounts.errors import (
    AccountError,
    BadEmail,
    LastAdmin,
    LastWayIn,
    LockedOut,
    Overloaded,
    Unverified,
    WeakPassword,
    WrongCurrent,
    WrongPassword,
)
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.sessions import Session, Sessions
from plugins.auth.cookies import cookie_of
from plugins.auth.factors.devices import Devices
from plugins.auth.factors.held import Held
from plugins.auth.factors.passkeys import Passkeys
from plugins.auth.factors.totp import Totp
from plugins.auth.pages.forms import BadForm, fields
from plugins.auth.pages.rendering import Pages
from plugins.auth.seldom import Seldom
from plugins.auth.social.social import Social

NEEDED, WITHOUT = "/login/factor", "without"
"""Where people hear that they need a second factor; a parameter: they go on without."""
OTHER = "other"
"""Of `fresh`: it is not the person who is logged in that is to log in."""
SETTING_UP = frozenset(
    (
        NEEDED,
        *("/account/totp", "/account/totp/qr.svg"),
        *("/account/passkeys", "/account/passkeys/options"),
    )
)
"""Pages of those who have none where they must have one."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refused = Callable[[str, AccountError | str], None]
Personal = Callable[[web.Request, Account, Session], Awaitable[web.StreamResponse]]
AWAY = Seldom(logging.getLogger("gateway.auth.pages"), "pages are answered with 503: %s")
WEAK = {
    "short": "The password is too short.",
    "long": "The password is too long.",
    "common": "The password is one that many people use.",
    "guessable": "The password is too easy to guess.",
}

ANSWERS: dict[type[AccountError], tuple[int, str]] = {
    LockedOut: (429, "Too many failures. Wait a while, or choose a new password by mail."),
    Overloaded: (503, "Too much is going on. Try again in a moment."),
    Unverified: (
        403,
        "Confirm your e-mail address first: see your mail, or choose a new password by mail.",
    ),
    BadEmail: (400, "That is not an e-mail address."),
    LastAdmin: (409, "You are the last administrator: make somebody else one first."),
    LastWayIn: (409, "Choose a password first: without this passkey nobody could log in."),
    WrongPassword: (401, "Wrong e-mail address or password."),
    WrongCurrent: (401, "That is not your current password."),
}
AT: dict[type[AccountError], str] = {
    BadEmail: "email",
    WeakPassword: "password",
    WrongPassword: "password",
    WrongCurrent: "current",
}
"""The field that it is about."""


@dataclass(frozen=True, slots=True)
class Rooms:
    options: AccountOptions
    directory: Directory
    sessions: Sessions
    changes: Changes
    totp: Totp
    passkeys: Passkeys
    devices: Devices
    entering: Entering
    pages: Pages
    social: Social
    refused: Refused = field(default=lambda _template, _error: None)

    async def form(self, request: web.Request) -> dict[str, str]:
        """Raises BadForm."""
        return await fields(request, self.pages.csrf_cookie)

    async def lacks_factor(self, session: Session) -> bool:
        """Whether everybody must have a second factor, and this person has none."""
        if not self.options.second_factor or session.acr == "aal2":
            return False
        return not any(await self.held(session.account_id))

    async def held(self, account_id: str) -> Held:
        return await self.passkeys.held(account_id)

    def holder(self, request: web.Request) -> str:
        """The secret of this browser that a challenge is bound to: of its forms, which each has."""
        return cookie_of(request, self.pages.csrf_cookie)

    async def asked_again(
        self, request: web.Request, account: Account, session: Session
    ) -> web.Response | None:
        """To change what proves who somebody is takes a log-in of the last ten minutes, with the
        second factor if there is one (ASVS 5.0 7.5.1)."""
        second = any(await self.held(account.id))
        if self.sessions.recent(session) and (session.acr == "aal2" or not second):
            return None
        acr = "&acr=aal2" if second else ""
        page = "/".join(request.path.split("/")[:3])
        back = quote(self.pages.base + page, safe="/")
        if asked := request.query.get("continue"):
            back += quote(f"?continue={quote(asked, safe='/')}", safe="/")
        return self.pages.redirect(f"/login?fresh=1{acr}&continue={back}")

    def guarded(self, handler: Handler) -> Handler:
        """A form that is none of ours becomes a page, and so does a database that is away."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except BadForm as error:
                return self.message(
                    request,
                    "Something went wrong",
                    "That form cannot be taken: it is too old, or your browser keeps no cookies. "
                    "Load the page again.",
                    status=error.status,
                )
            except BackendError as error:
                AWAY.warn(error)
                return self.message(
                    request,
                    "Something went wrong",
                    "That cannot be done at the moment. Try again in a few minutes.",
                    status=503,
                )

        return handle

    def personal(self, handler: Personal) -> Handler:
        """For whoever is logged in; others log in first."""

        async def handle(request: web.Request) -> web.StreamResponse:
            session = await self.sessions.current(request)
            account = await self.directory.get(session.account_id) if session else None
            if session is None or account is None:
                asked = request.path_qs if request.method == "GET" else request.path
                there = quote(self.pages.base + asked, safe="/")
                return self.pages.redirect(f"/login?continue={there}")
            if request.path not in SETTING_UP and await self.lacks_factor(session):
                return self.pages.redirect(NEEDED + self.onward(request.path))
            return await handler(request, account, session)

        return self.guarded(handle)

    async def enter(
        self,
        request: web.Request,
        account: Account,
        amr: tuple[str, ...],
        path: str,
        acr: str = "",
        *,
        proved: Proved | None = None,
        auth_time: int | None = None,
    ) -> web.Response:
        """After the first factor: the session, or the page that asks for the second. proved: by a
        password. auth_time: of the first, if it was not just now. Raises WrongPassword."""
        opened, second = await self.entering.enter(
            request, account.id, amr, proved=proved, anew=acr == "aal2", auth_time=auth_time
        )
        needed = not second and (acr == "aal2" or self.options.second_factor)
        there = "/login/code" if opened.waiting else NEEDED if needed else ""
        response = self.pages.redirect(there + self.onward(path) if there else path)
        self.sessions.hand(response, opened)
        return response

    def onward(self, path: str) -> str:
        """A query that leads to the path afterwards."""
        return f"?continue={quote(self.pages.base + path, safe='/')}"

    def message(
        self,
        request: web.Request,
        title: str,
        text: str,
        *,
        path: str = "/login",
        label: str = "Log in",
        status: int = 200,
    ) -> web.Response:
        say = self.pages.say
        return self.pages.render(
            request,
            "message.html",
            status=status,
            title=say(request, title),
            text=say(request, text),
            path=path,
            label=say(request, label),
        )

    def codes(self, request: web.Request, codes: list[str], back: str) -> web.Response:
        """Recovery codes, shown this once. back: where to go on."""
        return self.pages.render(request, "codes.html", codes=codes, onward=self.pages.base + back)

    def again(
        self,
        request: web.Request,
        template: str,
        error: AccountError | str,
        *,
        wrong: str = "",
        status: int | None = None,
        **values: Any,
    ) -> web.Response:
        """The form once more, with what was wrong. wrong, status: the field and the status, where
        the error has none."""
        self.refused(template, error)
        found, text = reason(error)
        if not wrong and not isinstance(error, str):
            wrong = AT.get(type(error), "")
        response = self.pages.render(
            request,
            template,
            status=found if status is None else status,
            error=self.pages.say(request, text),
            wrong=wrong,
            **values,
        )
        if isinstance(error, LockedOut):
            response.headers["Retry-After"] = str(error.retry_after)
        elif isinstance(error, Overloaded):
            response.headers["Retry-After"] = "1"
        return response


def address(request: web.Request) -> str:
    found: str = request["exchange"].client_ip
    return found


def day(at: int) -> str:
    """at: UTC seconds since 1970."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def moment(at: int) -> str:
    """at: UTC seconds since 1970."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def reason(error: AccountError | str) -> tuple[int, str]:
    """A status and a text that SPANISH knows."""
    if isinstance(error, str):
        return 401, error
    if isinstance(error, WeakPassword):
        return 400, WEAK[error.rule]
    return ANSWERS[type(error)]
