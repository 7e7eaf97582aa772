"""Whether a log-in is as fresh and as strong as a client asks for."""

from __future__ import annotations

from plugins.auth.accounts.sessions import Session
from plugins.auth.oauth.authorization import Asked

AGAIN = frozenset({"login", "select_account"})


def suffices(want: Asked, session: Session, since: int | None, now: int) -> bool:
    """since: when the browser came first with this request, if it has been logging in since.

    `acr_values` without `aal1` is heeded as a demand, as RFC 9470 means it.
    """
    again = since is not None and session.auth_time >= since
    if want.prompt & AGAIN and not again:
        return False
    if not (again or _young(want, session, now if since is None else since)):
        return False
    return not want.two_factors or session.acr == "aal2"


def steps_up(want: Asked, session: Session, now: int) -> bool:
    """Whether a second factor is all that is missing."""
    return not want.prompt & AGAIN and _young(want, session, now)


def _young(want: Asked, session: Session, reference: int) -> bool:
    """`max_age=0` is a log-in of its own."""
    if want.max_age is None:
        return True
    return want.max_age > 0 and session.auth_time >= reference - want.max_age
