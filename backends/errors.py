"""What a backend raises. Foreign exceptions become one of these at the driver's edge."""

from __future__ import annotations


class BackendError(Exception):
    """An engine or its address is at fault. The message never holds a password."""


class UnknownScheme(BackendError):
    """No driver answers to the URL's scheme."""


class BackendUnavailable(BackendError):
    """The engine does not answer; the same call may work later."""
