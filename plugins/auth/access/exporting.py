"""What the rooms of access hold about a person, for the export."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.access.tables import (
    api_keys,
    grants,
    group_members,
    memberships,
    organisations,
)


async def held(connection: AsyncConnection, account_id: str) -> dict[str, Any]:
    """Without secrets."""
    groups = sa.select(group_members.c.group_name).where(group_members.c.principal_id == account_id)
    given = sa.select(grants.c.permission).where(
        grants.c.kind == "principal", grants.c.holder == account_id
    )
    joined = (
        sa.select(memberships, organisations.c.name)
        .join(organisations, organisations.c.id == memberships.c.organisation_id)
        .where(memberships.c.account_id == account_id)
    )
    keys = sa.select(api_keys).where(api_keys.c.owner_id == account_id)
    return {
        "groups": sorted((await connection.execute(groups)).scalars()),
        "grants": sorted((await connection.execute(given)).scalars()),
        "organisations": [
            {"id": row.organisation_id, "name": row.name, "joined_at": row.joined_at}
            for row in await connection.execute(joined)
        ],
        "api_keys": [
            {"name": row.name, "hint": row.hint, "created_at": row.created_at}
            for row in await connection.execute(keys)
        ],
    }
