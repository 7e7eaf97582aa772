"""private_key_jwt: clients that say who they are by a key of theirs (RFC 7523)."""
