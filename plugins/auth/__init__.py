"""Identity: accounts, sessions, OAuth 2 and OpenID Connect."""
