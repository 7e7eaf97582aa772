"""Settings of the audit log."""

from __future__ import annotations

from typing import Annotated

import msgspec

LEAST = 90 * 86400


class AuditOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """keep: seconds; in the first ninety days the database itself refuses to delete a line."""

    keep: Annotated[int, msgspec.Meta(ge=LEAST)] = 400 * 86400
