"""Who may do what: roles, groups, scopes, grants, organisations, service accounts, API keys."""
