"""What tokens say of roles, groups and the organisation, to clients that ask for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from plugins.auth.access.principals import Principals
from plugins.auth.access.scopes import EVERYTHING, GROUPS, ORGANISATION

MOST = 100
"""Names in one claim; a token must fit into a header."""


async def claims_for(
    principals: Principals,
    subject: str,
    scopes: Collection[str],
    organisation: str | None = None,
) -> dict[str, Any]:
    """`roles` (RFC 9068 section 2.2.3.1) by scope `roles`, `groups` by `groups`, and by
    `organisation`: `organisations`, and `org`, `org_owner` and `org_roles` of the one named, or
    of the only one.

    Nothing is said of an organisation that the subject is no member of. Raises BackendError.
    """
    if not {EVERYTHING, GROUPS, ORGANISATION}.intersection(scopes):
        return {}
    principal = await principals.get(subject)
    found: dict[str, Any] = {}
    if principal is None:
        return found
    if EVERYTHING in scopes:
        found["roles"] = sorted(principal.roles)[:MOST]
    if GROUPS in scopes:
        found["groups"] = sorted(principal.groups)[:MOST]
    if ORGANISATION in scopes:
        joined = principal.memberships
        found["organisations"] = sorted(joined)[:MOST]
        if organisation is None and len(joined) == 1:
            organisation = next(iter(joined))
        member = joined.get(organisation or "")
        if member is not None:
            found["org"] = member.organisation_id
            found["org_owner"] = member.owner
            found["org_roles"] = sorted(member.roles)[:MOST]
    return found
