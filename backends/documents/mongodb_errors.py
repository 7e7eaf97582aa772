"""What pymongo raises, as what a backend raises. Values quoted in its messages are left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bson.errors import BSONError
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from backends.documents import CursorExpired
from backends.errors import BackendError, BackendUnavailable, Conflict, Refused

DUPLICATE = 11000
WRITE_CONFLICT = 112
NO_STREAMS = (40573, 40324, 303, 40415)
"""A stage only for replica sets; or one unknown to the server, as to those beside MongoDB."""
LOST = (136, 222, 280, 286)
NO_TOKEN = (2, 9, 50811, 50795, 260, 40647, 40648, 40649)
# Where somebody else is the primary now, or nobody yet; shutting down; out of time.
PASSING = (6, 7, 50, 64, 89, 91, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436)

AGAIN = 1.0


@asynccontextmanager
async def translated(where: str, within: float) -> AsyncIterator[None]:
    """where: for messages. within: seconds for all that is inside.

    pymongo waits by `wait_for`, which may swallow a cancellation (Python 3.11): that of a timeout
    is then said again, that of the caller is raised when pymongo is done.
    """
    task = asyncio.current_task()
    assert task is not None
    cancelled = task.cancelling()
    try:
        async with asyncio.timeout(within + min(within, AGAIN)), asyncio.timeout(within):
            yield
        if task.cancelling() > cancelled:
            raise asyncio.CancelledError
    except TimeoutError:
        raise BackendUnavailable(f"documents: {where}: no answer in {within:g} s") from None
    except (PyMongoError, BSONError) as error:
        raise translate(where, error) from None
    except (OverflowError, TypeError, ValueError, RecursionError) as error:
        # bson's, of what it cannot encode
        raise Refused(f"documents: a value that cannot be kept: {type(error).__name__}") from None


def translate(where: str, error: Exception) -> BackendError:  # noqa: PLR0911 - one a kind
    if isinstance(error, DuplicateKeyError):
        return Conflict("documents: a document with this key is there already")
    if isinstance(error, WTimeoutError | WriteConcernError):
        return BackendUnavailable(f"documents: {where}: not acknowledged by enough servers")
    if isinstance(error, OperationFailure):
        code = error.code or 0
        name = error.details.get("codeName", "") if error.details else ""
        said = f"documents: {where}: {code} {name}".rstrip()
        if code in LOST:
            return CursorExpired("documents: what came after the cursor is not kept any more")
        if code == WRITE_CONFLICT:
            return Conflict(said)
        passing = code in PASSING or error.has_error_label("RetryableWriteError")
        return BackendUnavailable(said) if passing else Refused(said)
    if isinstance(error, ConfigurationError):
        return Refused(f"documents: {where}: the server is none that can be used")
    if isinstance(error, ConnectionFailure | WaitQueueTimeoutError):
        return BackendUnavailable(f"documents: {where}: {type(error).__name__}")
    if isinstance(error, DocumentTooLarge | BSONError):
        return Refused(f"documents: a document that cannot be kept: {type(error).__name__}")
    if type(error).__name__ == "InvalidOperation":
        return BackendError("documents: the driver is closed, or what it was asked for is empty")
    return Refused(f"documents: {where}: {type(error).__name__}")
