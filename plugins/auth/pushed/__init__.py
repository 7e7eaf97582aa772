"""Pushed authorization requests (RFC 9126): what is asked for goes past the browser."""
