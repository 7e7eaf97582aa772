"""Signed tokens: whose keys, which algorithms, what a token must say (RFC 7515 to 7519, 8725)."""
