"""Tables of clients, of what people granted them, and of tokens taken back."""

import sqlalchemy as sa

from plugins.auth.tables import metadata

clients = sa.Table(
    "auth_clients",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("method", sa.String(32), nullable=False),
    sa.Column("secret", sa.LargeBinary(32), nullable=False),  # SHA-256 of 256 random bits
    sa.Column("grants", sa.String(200), nullable=False),
    sa.Column("scopes", sa.String(1000), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("redirect_uris", sa.Text, nullable=False),  # with spaces
    sa.Column("first_party", sa.Boolean, nullable=False),
    sa.Column("introspector", sa.Boolean, nullable=False),
    sa.Column("audience", sa.String(1000), nullable=False),
    sa.Column("metadata", sa.Text, nullable=False),  # JSON: what else RFC 7591 names
)

codes = sa.Table(
    "auth_codes",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("grant_id", sa.String(32), nullable=False),
    sa.Column("client_id", sa.String(32), nullable=False),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("session_id", sa.String(32), nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),  # empty when the request had none
    sa.Column("challenge", sa.String(43), nullable=False),  # S256 of RFC 7636
    sa.Column("scopes", sa.String(1000), nullable=False),
    sa.Column("nonce", sa.Text, nullable=False),
    sa.Column("auth_time", sa.BigInteger, nullable=False),
    sa.Column("amr", sa.String(100), nullable=False),
    sa.Column("acr", sa.String(100), nullable=False),
    sa.Column("jkt", sa.String(43), nullable=False),  # of RFC 9449 section 10; empty for none
    sa.Column("used", sa.Boolean, nullable=False),
    sa.Column("good_until", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

grants = sa.Table(
    "auth_grants",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("client_id", sa.String(32), nullable=False, index=True),
    sa.Column("account_id", sa.String(32), nullable=False, index=True),
    sa.Column("session_id", sa.String(32), nullable=False, index=True),
    sa.Column("offline", sa.Boolean, nullable=False),  # outlives its session
    sa.Column("scopes", sa.String(1000), nullable=False),
    sa.Column("auth_time", sa.BigInteger, nullable=False),
    sa.Column("amr", sa.String(100), nullable=False),
    sa.Column("acr", sa.String(100), nullable=False),
    sa.Column("jkt", sa.String(43), nullable=False),
    sa.Column("current", sa.LargeBinary(32)),  # SHA-256 of the refresh token, if there is one
    sa.Column("previous", sa.LargeBinary(32)),  # of the one that it replaced
    sa.Column("rotated_at", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("ends_at", sa.BigInteger, nullable=False),  # in any case
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),  # when unused
)

consents = sa.Table(
    "auth_consents",
    metadata,
    sa.Column("account_id", sa.String(32), primary_key=True),
    sa.Column("client_id", sa.String(32), primary_key=True),
    sa.Column("scopes", sa.String(1000), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)

revoked = sa.Table(
    "auth_revoked",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
