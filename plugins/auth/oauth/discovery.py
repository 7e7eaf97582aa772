"""RFC 8414: what exists, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from plugins.auth.dpop.proof import ALGORITHMS
from plugins.auth.oauth.authentication import METHODS, SECRET_METHODS


def metadata(issuer: str, grants: Iterable[str]) -> dict[str, Any]:
    """No `response_types_supported`: it would be empty, and section 3.2 leaves such out."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "token_endpoint": f"{issuer}/token",
        "token_endpoint_auth_methods_supported": list(METHODS),
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": list(SECRET_METHODS),
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "grant_types_supported": list(grants),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "ui_locales_supported": ["en", "es"],
    }
