"""What PostgreSQL and asyncpg say, in the words of backends.errors."""

from __future__ import annotations

import ssl

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import EmulatedDBAPIException

from backends.errors import BackendError, BackendUnavailable, Conflict, Refused
from backends.sql import Contended
from backends.sql.transactions import Said

STATES: list[tuple[str, type[BackendError], str, bool]] = [
    ("08", BackendUnavailable, "PostgreSQL went away", True),
    ("57P", BackendUnavailable, "PostgreSQL went away", True),
    ("25P03", BackendUnavailable, "a block idled for too long between two statements", True),
    ("25P04", BackendUnavailable, "a block took too long", True),
    ("40003", BackendUnavailable, "PostgreSQL went away", True),
    ("57014", BackendUnavailable, "a statement took longer than its timeout", False),
    ("53100", Refused, "PostgreSQL's disk is full", False),
    ("53", BackendUnavailable, "PostgreSQL is out of a resource", False),
    ("58", BackendUnavailable, "PostgreSQL's disk does not answer as it should", False),
    ("40001", Contended, "another transaction was in the way", False),
    ("40P01", Contended, "another transaction was in the way", False),
    ("55P03", Contended, "another transaction holds the lock", False),
    # A standby where the primary was: the next connection may find the new one.
    ("25006", Refused, "writing is not allowed here", True),
    ("28", Refused, "PostgreSQL refuses this login", False),
]
"""By the beginning of the SQLSTATE. True: the connection is of no more use."""
STALE = (asyncpg.InvalidCachedStatementError, AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError)
KEYS = {"23503", "23505", "23P01", "23001"}
NAMING = ("42", "3D", "3F", "26", "0A")
"""Classes whose messages tell names of the schema and pieces of the statement, never values."""

CLIENT: list[tuple[type[Exception], type[BackendError], str]] = [
    (TimeoutError, BackendUnavailable, "PostgreSQL did not answer in time"),
    (ssl.SSLError, Refused, "no TLS with PostgreSQL, or its certificate is not trusted"),
    (OSError, BackendUnavailable, "PostgreSQL cannot be reached"),
    (asyncpg.TargetServerAttributeNotMatched, BackendUnavailable, "no host takes writes"),
    (asyncpg.InternalClientError, BackendUnavailable, "PostgreSQL's answer makes no sense"),
]
"""Raised on our side; the connection is of no more use."""


def said(error: BaseException) -> Said:
    """Of what SQLAlchemy's adapter raised, or asyncpg itself."""
    if isinstance(error, EmulatedDBAPIException) and error.orig is not None:
        error = error.orig
    if isinstance(error, STALE):
        return Said(Contended("sql: a table was changed meanwhile"))
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate is not None:
        return _by_state(error, error.sqlstate)
    if isinstance(error, asyncpg.InterfaceError) and "clos" in str(error):
        return Said(BackendUnavailable("sql: the connection was closed"), lost=True)
    if isinstance(error, ConnectionError) and "SSL upgrade" in str(error):
        return Said(Refused("sql: PostgreSQL has no TLS to offer"), lost=True)
    for kind, answer, text in CLIENT:
        if isinstance(error, kind):
            return Said(answer(f"sql: {text}"), lost=True)
    name = type(error).__name__
    return Said(Refused(f"sql: a statement or its values are not well-formed ({name})"))


def _by_state(error: asyncpg.PostgresError, state: str) -> Said:
    for beginning, answer, text, lost in STATES:
        if state.startswith(beginning):
            return Said(answer(f"sql: {text} ({state})"), lost)
    if state.startswith("23"):
        rule = f"{error.constraint_name or error.column_name} of {error.table_name}"
        return Said((Conflict if state in KEYS else Refused)(f"sql: broken rule {rule} ({state})"))
    what = error.args[0] if state.startswith(NAMING) else type(error).__name__
    return Said(Refused(f"sql: {what} ({state})"))
