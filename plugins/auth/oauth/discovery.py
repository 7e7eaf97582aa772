"""RFC 8414 and OpenID Connect Discovery 1.0: what exists, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from plugins.auth.dpop.proof import ALGORITHMS
from plugins.auth.keys.options import RS256
from plugins.auth.oauth.authentication import CONFIDENTIAL, METHODS
from plugins.auth.oauth.authorization import PROMPTS, RESPONSE_MODES
from plugins.auth.oauth.clients import PERSONAL


def metadata(issuer: str, grants: Iterable[str], algorithms: Iterable[str]) -> dict[str, Any]:
    """algorithms: of keys that are published; RS256 is there for whoever asks for it."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "authorization_endpoint": f"{issuer}/authorize",
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint": f"{issuer}/token",
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": list(CONFIDENTIAL),
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": list(grants),
        "scopes_supported": list(PERSONAL),
        "userinfo_endpoint": f"{issuer}/userinfo",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({RS256, *algorithms}),
        "acr_values_supported": ["aal1", "aal2"],
        "prompt_values_supported": list(PROMPTS),
        "claims_supported": [
            *("iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "amr"),
            *("at_hash", "sid", "name", "locale", "updated_at", "email", "email_verified"),
            *("organisations", "org", "org_owner", "org_roles"),
        ],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "ui_locales_supported": ["en", "es"],
    }
