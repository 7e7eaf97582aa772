"""The device flow (RFC 8628): log in on another screen."""
