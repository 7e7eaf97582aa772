"""OAuth 2: clients, their authentication, and the token endpoint."""
