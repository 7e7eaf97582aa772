"""Token exchange (RFC 8693): a token for less, in another's hands."""
