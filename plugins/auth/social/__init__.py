"""Log-in by other providers, and the identities there that are an account's here."""
