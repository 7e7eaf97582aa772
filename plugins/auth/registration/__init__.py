"""Dynamic registration of clients (RFC 7591, RFC 7592), for whoever has an initial access token."""
