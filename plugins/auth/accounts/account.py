"""An account as the rest of the program sees it: without its password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Account:
    """roles: names. updated_at, created_at: UTC seconds since 1970."""

    id: str
    email: str
    email_verified: bool
    name: str
    locale: str
    roles: frozenset[str]
    disabled: bool
    created_at: int
    updated_at: int
    has_password: bool = True


def account_of(row: Any) -> Account:
    return Account(
        row.id,
        row.email,
        row.email_verified,
        row.name,
        row.locale,
        frozenset(row.roles.split()),
        row.disabled,
        row.created_at,
        row.updated_at,
        row.password is not None,
    )
