"""Logout that clients ask for, and that clients are told of (OpenID Connect)."""
