"""What tokens say of roles, groups and the organisation, to clients that ask for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from plugins.auth.access.organisation_scope import ORGANISATION, organisation_in
from plugins.auth.access.principals import Principals
from plugins.auth.access.scopes import EVERYTHING, GROUPS

MOST = 100
"""Names in one claim; a token must fit into a header."""


async def claims_for(
    principals: Principals, subject: str, scopes: Collection[str]
) -> dict[str, Any]:
    """`roles` (RFC 9068 section 2.2.3.1) by scope `roles`, `groups` by `groups`, `organisations`
    by `organisation`, and by `organisation:ID` `org`, `org_owner` and `org_roles`.

    `org` is there whatever becomes of the subject: it bounds the token. Raises BackendError.
    """
    bound = organisation_in(scopes)
    found: dict[str, Any] = {} if bound is None else {"org": bound}
    if bound is None and not {EVERYTHING, GROUPS, ORGANISATION}.intersection(scopes):
        return found
    principal = await principals.get(subject)
    if principal is None:
        return found
    if EVERYTHING in scopes:
        found["roles"] = sorted(principal.roles)[:MOST]
    if GROUPS in scopes:
        found["groups"] = sorted(principal.groups)[:MOST]
    if ORGANISATION in scopes:
        found["organisations"] = sorted(principal.memberships)[:MOST]
    member = principal.memberships.get(bound or "")
    if member is not None:
        found["org_owner"] = member.owner
        found["org_roles"] = sorted(member.roles)[:MOST]
    return found
