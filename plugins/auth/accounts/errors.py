"""What can be wrong about somebody's log-in. No message holds what they have typed."""

from __future__ import annotations

from gateway.errors import GatewayError


class AccountError(GatewayError):
    """The person asked for something that cannot be."""


class WrongPassword(AccountError):
    """There is no such account, or it has another password, or it is disabled: never which."""


class WrongCurrent(WrongPassword):
    """Whoever is logged in has another password than the one typed."""


class LockedOut(AccountError):
    """Too many failures. retry_after: seconds. Said of accounts that do not exist as well."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many failures; again in {retry_after} s")
        self.retry_after = retry_after


class Unverified(AccountError):
    """The password is right, and the e-mail address has yet to be confirmed."""


class WeakPassword(AccountError):
    """rule: `short`, `long`, `common` or `guessable`."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"the password is too {rule}")
        self.rule = rule


class BadEmail(AccountError):
    """It is no address that mail could be sent to."""


class LastAdmin(AccountError):
    """Nobody would be left who may undo it."""


class LastWayIn(AccountError):
    """Without it nobody could log in to the account any more."""


class Overloaded(AccountError):
    """As many passwords are being checked as may be at once."""
