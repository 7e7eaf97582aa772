"""From redis-py's errors to ours."""

from __future__ import annotations

import re

from redis import exceptions as theirs

from backends.errors import BackendError, BackendUnavailable, Refused

NO_CLUSTER = "mode is not enabled"
CODE = re.compile(r"[A-Z][A-Z]+\b")
LATER = frozenset(
    {"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOREPLICAS", "READONLY", "TRYAGAIN"}
)
LATER_TOO = (
    theirs.BusyLoadingError,
    theirs.ClusterDownError,
    theirs.MasterDownError,
    theirs.ReadOnlyError,
    theirs.TryAgainError,
    theirs.AskError,
    theirs.MovedError,
    theirs.ClusterError,
)
LOGIN = (theirs.AuthenticationError, theirs.AuthorizationError, theirs.NoPermissionError)
KNOWN: dict[type[Exception], str] = {
    theirs.AuthenticationError: "login refused",
    theirs.AuthenticationWrongNumberOfArgsError: "login refused",
    theirs.AuthorizationError: "login refused",
    theirs.OutOfMemoryError: "it is full",
    theirs.NoPermissionError: "no permission",
    theirs.ReadOnlyError: "it is a replica",
}


def translated(error: Exception, where: str) -> BackendError:
    """where: `keyvalue: redis://host:6379`. Nothing of redis-py's text, which may repeat what
    was sent, but a server's code such as NOAUTH."""
    kind, reason = _said(error)
    return kind(f"{where}: {reason}")


def _said(error: Exception) -> tuple[type[BackendError], str]:
    name = KNOWN.get(type(error)) or type(error).__name__
    if isinstance(error, LOGIN):
        return Refused, name
    if isinstance(error, theirs.RedisClusterException):
        is_none = NO_CLUSTER in f"{error}{error.__cause__}"
        return (Refused, "this is not a cluster") if is_none else (BackendUnavailable, name)
    if isinstance(error, theirs.ResponseError):
        code = found[0] if (found := CODE.match(str(error))) else ""
        later = code in LATER or isinstance(error, LATER_TOO)
        return (BackendUnavailable if later else Refused), KNOWN.get(type(error)) or code or name
    if isinstance(error, theirs.DataError):
        return Refused, "malformed request"
    return BackendUnavailable, _reason(error)


def _reason(error: BaseException) -> str:
    known: BaseException | None = error
    while known is not None:
        if isinstance(known, OSError) and known.strerror:
            return known.strerror
        known = known.__context__
    return type(error).__name__
