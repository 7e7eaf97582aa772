"""What a backend raises. Foreign exceptions become one of these at the driver's edge.

No message holds a password, a key's secret or a stored value.
"""

from __future__ import annotations


class BackendError(Exception):
    """An engine or its address is at fault."""


class UnknownScheme(BackendError):
    """No driver answers to the URL's scheme."""


class BackendUnavailable(BackendError):
    """The engine does not answer, or not in time; the same call may work later.

    Whether a write under way was carried out is not known.
    """


class Refused(BackendError):
    """The engine answers and will not: login, permission, space, a malformed request."""


class Conflict(BackendError):
    """What is to be made is there already, or has changed since it was read."""


class Missing(BackendError):
    """What is asked for is not there."""
